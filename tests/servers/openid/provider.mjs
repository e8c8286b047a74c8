// An OpenID Connect provider for the tests: npm oidc-provider, with an own sign-in form that needs no script.
// Arguments: the path of oidc-provider's entry module, and the path of the configuration, a JSON object:
//   issuer, port, clients, jwks, cookie_key, version
//   accounts: an object from the user name to the claims of the person
//   id_token_claims: whether the ID token contains the claims of the scopes; otherwise only /me returns them
// SIGHUP loads the configuration again. Sessions, codes and tokens are in memory and survive this.

import http from "node:http";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [module, path] = process.argv.slice(2);
const { default: Provider } = await import(pathToFileURL(module).href);

let config;
let handle;

function load() {
  config = JSON.parse(readFileSync(path, "utf-8"));
  const provider = new Provider(config.issuer, {
    clients: config.clients,
    jwks: config.jwks,
    cookies: { keys: [config.cookie_key] },
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name", "preferred_username", "groups"] },
    // shows which configuration is loaded
    discovery: { service_documentation: `${config.issuer}/${config.version}` },
    conformIdTokenClaims: !config.id_token_claims,
    features: { devInteractions: { enabled: false } },
    pkce: { methods: ["S256"], required: () => true },
    interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (ctx, sub) => account(sub),
    loadExistingGrant: grant,
    renderError: (ctx, out) => {
      ctx.type = "html";
      ctx.body = page("Error", `<p id="error">${escape(`${out.error}: ${out.error_description}`)}</p>`);
    },
    ttl: { Interaction: 3600, Session: 3600, Grant: 3600, AccessToken: 600, AuthorizationCode: 600, IdToken: 600 },
  });
  provider.on("server_error", (ctx, error) => console.error(error));
  for (const event of ["authorization.error", "grant.error", "userinfo.error"]) {
    provider.on(event, (ctx, error) => console.error(event, error.message, error.error_description ?? ""));
  }
  handle = { provider, callback: provider.callback() };
}

function account(sub) {
  const claims = Object.values(config.accounts).find((candidate) => candidate.sub === sub);
  return claims && { accountId: sub, claims: async () => claims };
}

// Grants what the client asks for, so that there is no consent page.
async function grant(ctx) {
  const { provider } = handle;
  const { client, params, session } = ctx.oidc;
  const found = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  found.addOIDCScope(params.scope);
  await found.save();
  return found;
}

const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const escape = (text) => text.replace(/[&<>"]/g, (character) => ESCAPES[character]);
const page = (title, body) => `<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,"><title>${title}</title>
<h1>${title}</h1>${body}</html>`;

function form(uid, message) {
  return page(
    "Sign in at the provider",
    `${message}<form method="post" action="/interaction/${uid}">
<label>User name <input name="login" id="login" autocomplete="off"></label>
<button name="action" value="login" id="sign-in">Sign in</button>
<button name="action" value="cancel" id="cancel">Cancel</button></form>`,
  );
}

async function interact(request, response) {
  const { provider } = handle;
  const { uid } = await provider.interactionDetails(request, response);
  const send = (body) => response.writeHead(200, { "Content-Type": "text/html; charset=utf-8" }).end(body);
  if (request.method !== "POST") return send(form(uid, ""));
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const fields = new URLSearchParams(Buffer.concat(chunks).toString("utf-8"));
  let result = { error: "access_denied", error_description: "the person has cancelled the sign-in" };
  if (fields.get("action") !== "cancel") {
    const login = fields.get("login") ?? "";
    if (!Object.hasOwn(config.accounts, login)) return send(form(uid, '<p id="error">Nobody has this user name.</p>'));
    result = { login: { accountId: config.accounts[login].sub } };
  }
  return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}

load();
process.on("SIGHUP", load);
http
  .createServer((request, response) => {
    // the pages of oidc-provider, such as the form that it posts, name no icon
    if (request.url === "/favicon.ico") return response.writeHead(204).end();
    if (!request.url.startsWith("/interaction/")) return handle.callback(request, response);
    return interact(request, response).catch((error) => {
      console.error(error);
      response.writeHead(400, { "Content-Type": "text/html; charset=utf-8" });
      response.end(page("Error", `<p id="error">${escape(String(error.message))}</p>`));
    });
  })
  .listen(config.port, "127.0.0.1");
