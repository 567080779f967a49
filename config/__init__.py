"""Settings and wiring. Every process imports this package before anything else of the project.

Its time zones come from the pinned package tzdata, whatever the machine has: a host that was not
brought up to date cut days elsewhere than the database, which bills them.
"""

import zoneinfo

zoneinfo.reset_tzpath(to=())
zoneinfo.ZoneInfo.clear_cache()
