// Takes what stands behind the # of the address, which is sent to nobody, out of it and into the form.
"use strict";

function arrive() {
  const told = new URLSearchParams(location.hash.slice(1));
  const fields = [...document.querySelectorAll("[data-fragment]")];
  const found = fields.filter((field) => told.has(field.dataset.fragment));
  const ended = ["signedIn", "linked"].find((name) => told.has(name));
  if (!found.length && !ended) return;
  const onward = document.querySelector("[data-then]");
  if (ended) {
    // A navigation from here is one within this site: it has the cookie of the session.
    const then = new URL(onward.href);
    if (ended === "linked") then.searchParams.set("done", "linked");
    location.replace(then);
    return;
  }
  const query = new URLSearchParams(location.search);
  if (!query.has("here")) {
    // Who comes from elsewhere was taken for a stranger, and so was the form.
    query.set("here", "1");
    location.replace(`${location.pathname}?${query}${location.hash}`);
    return;
  }
  history.replaceState(null, "", location.pathname + location.search);
  for (const field of found) {
    field.value = told.get(field.dataset.fragment);
    if (field.type !== "hidden") field.closest(".field").hidden = true;
  }
  const form = document.querySelector("[data-arrival]");
  if (form) form.submit();
}

addEventListener("hashchange", arrive);
arrive();
