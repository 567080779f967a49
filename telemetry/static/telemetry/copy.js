// Buttons that copy the text of another element: `data-copy` is its id, `data-done` their text then.
for (const button of document.querySelectorAll("[data-copy]")) {
    if (!navigator.clipboard) continue;  // only where the page came over HTTPS or from this machine
    button.hidden = false;
    button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
        button.textContent = button.dataset.done;
    });
}
