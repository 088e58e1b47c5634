// Takes the setup secret out of the address, which a fragment sends to nobody, and into the form.
"use strict";

function take() {
  const field = document.getElementById("setup-secret");
  const secret = location.hash.slice(1);
  if (!field || !secret || secret === "main") return;
  history.replaceState(null, "", location.pathname);
  try {
    field.value = decodeURIComponent(secret);
  } catch {
    field.value = secret;
  }
  field.form.requestSubmit();
}

addEventListener("hashchange", take);
take();
