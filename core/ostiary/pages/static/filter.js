// Shows only the boxes whose text holds what is typed. Without it the field that filters is not shown.
for (const field of document.querySelectorAll("[data-filter]")) {
  const list = document.querySelector(field.dataset.filter);
  const input = field.querySelector("input");
  const open = new Set([...list.querySelectorAll("details[open]")]);
  field.hidden = false;
  input.addEventListener("change", (event) => event.stopPropagation());
  input.addEventListener("input", () => {
    const wanted = input.value.trim().toLowerCase();
    for (const group of list.querySelectorAll("details")) {
      const title = group.querySelector("summary").textContent.toLowerCase();
      let any = false;
      for (const box of group.querySelectorAll("label")) {
        box.hidden = !(title + box.textContent.toLowerCase()).includes(wanted);
        any ||= !box.hidden;
      }
      group.hidden = !any;
      group.open = wanted ? any : open.has(group);
    }
  });
}
