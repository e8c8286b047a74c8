// Optional: buttons that copy a text of the page.
for (const button of navigator.clipboard ? document.querySelectorAll("[data-copies]") : []) {
  button.hidden = false;
  button.onclick = async () => {
    const from = document.getElementById(button.dataset.copies), lines = from.querySelectorAll("li");
    const text = lines.length ? [...lines].map((each) => each.textContent.trim()).join("\n") : from.textContent.replace(/\s/g, "");
    await navigator.clipboard.writeText(text);
    button.textContent = button.dataset.done;
  };
}
