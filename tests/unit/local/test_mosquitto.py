"""The broker's rights by role."""

from compose.local.servers.mosquitto import ROLES, render_acl


def read_rights(prefix: str = "tds_new") -> dict[str, list[str]]:
    rights: dict[str, list[str]] = {}
    user = ""
    for line in render_acl(prefix=prefix).splitlines():
        word, _, rest = line.partition(" ")
        if word == "user":
            user = rest
        elif word == "pattern":
            user = "pattern"
        if word in ("topic", "pattern"):
            rights.setdefault(user, []).append(rest)
    return rights


def test_it_lets_gateways_only_publish_and_only_below_the_prefix_when_rendered() -> None:
    assert read_rights()["gateway"] == ["write tds_new/#"]


def test_it_ties_a_gateway_with_a_user_of_its_own_to_its_topics_when_rendered() -> None:
    own = "tds_new/devices/%u"
    assert read_rights()["pattern"] == [f"write {own}/#", f"read {own}/commands"]


def test_it_lets_bridges_read_all_that_gateways_may_publish_when_rendered() -> None:
    assert "read tds_new/#" in read_rights()["bridge"]


def test_it_gives_bridge_and_dashboard_no_right_to_publish_when_rendered() -> None:
    rights = read_rights()

    assert all(right.startswith("read ") for right in rights["bridge"] + rights["dashboard"])


def test_it_uses_the_prefix_everywhere_when_another_is_set() -> None:
    text = render_acl(prefix="site/one")

    assert "tds_new" not in text
    assert "{" not in text
    assert set(read_rights("site/one")) == {*ROLES, "pattern"}
