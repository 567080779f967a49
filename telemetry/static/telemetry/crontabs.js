// Admin, periodic task: says in words what the chosen crontab means.
const words = JSON.parse(document.getElementById("readable-crontabs").textContent);
const select = document.getElementById("id_crontab");
const field = document.querySelector(".field-crontab");
document.querySelector(".field-crontab_translation")?.setAttribute("hidden", "");
if (select && field) {
  const note = document.createElement("p");
  note.className = "help";
  note.setAttribute("role", "status");
  field.append(note);
  const say = () => { note.textContent = words[select.value] ?? ""; };
  select.addEventListener("change", say);
  say();
}
