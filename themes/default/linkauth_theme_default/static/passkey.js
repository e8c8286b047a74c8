// Optional: passkeys (Web Authentication), shown only where the device has them.
(async () => {
const api = window.PublicKeyCredential;
// false or an exception in web views without passkeys, whose calls would fail
if (!await api?.isUserVerifyingPlatformAuthenticatorAvailable?.().catch(() => false)) return;
for (const each of document.querySelectorAll("[data-needs-passkey]")) each.hidden = false;

const field = document.querySelector("[data-passkey]"), box = document.querySelector("[data-adds-passkey]");
if (!field) return;
const { form } = field, options = JSON.parse(field.dataset.passkey), failed = document.querySelector("[data-passkey-failed]");
const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (each) => each.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const known = (list) => list?.map((each) => ({ ...each, id: bytes(each.id) }));

const answer = async () => {
  const publicKey = { ...options, challenge: bytes(options.challenge) }, control = new AbortController();
  // browsers may wait longer than the option says
  const timer = setTimeout(() => control.abort(), options.timeout);
  try {
    let found;
    if (options.user) {
      publicKey.user = { ...options.user, id: bytes(options.user.id) };
      publicKey.excludeCredentials = known(options.excludeCredentials);
      found = await navigator.credentials.create({ publicKey, signal: control.signal });
    } else {
      publicKey.allowCredentials = known(options.allowCredentials);
      found = await navigator.credentials.get({ publicKey, signal: control.signal });
    }
    const response = {};
    for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature"])
      if (found.response[name]) response[name] = text(found.response[name]);
    return JSON.stringify({ id: found.id, rawId: text(found.rawId), type: found.type, response });
  } catch {
    return "";
  } finally {
    clearTimeout(timer);
  }
};

let busy = false;
form.addEventListener("submit", async (event) => {
  // buttons with a name do something else, and a code alone is enough
  if (event.submitter?.name || (box && !box.checked)) return;
  event.preventDefault();
  if (busy) return;
  busy = true;
  if (failed) failed.hidden = true;
  field.value = await answer();
  busy = false;
  // not requestSubmit(), which page.js would take for a double click. A code is sent also without a new passkey
  if (field.value || box) return HTMLFormElement.prototype.submit.call(form);
  if (failed) failed.hidden = false;
  // page.js makes the buttons usable again
  dispatchEvent(new Event("pageshow"));
});
})();
