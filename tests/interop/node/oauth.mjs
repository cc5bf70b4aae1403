// A standard OAuth client library against a running server: one line of JSON in, one out.
import * as oauth from "oauth4webapi";
import { createInterface } from "node:readline";

const options = { [oauth.allowInsecureRequests]: true };
const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS = "urn:ietf:params:oauth:token-type:access_token";

async function run({ issuer, id, secret, keyId, jwk, refreshToken, subjectToken, audience }) {
  const url = new URL(issuer);
  const as = await oauth.processDiscoveryResponse(
    url, await oauth.discoveryRequest(url, { ...options, algorithm: "oauth2" }));
  const resource = await oauth.processResourceDiscoveryResponse(
    url, await oauth.resourceDiscoveryRequest(url, options));
  const user = { client_id: "ostiary" };
  const refreshed = await oauth.processRefreshTokenResponse(
    as, user, await oauth.refreshTokenGrantRequest(as, user, oauth.None(), refreshToken, options));

  const client = { client_id: id };
  const basic = oauth.ClientSecretBasic(secret);
  const exchanged = await oauth.processGenericTokenEndpointResponse(
    as, client, await oauth.genericTokenEndpointRequest(as, client, basic, EXCHANGE,
      { subject_token: subjectToken, subject_token_type: ACCESS, audience, scope: "notes:read" }, options),
    { recognizedTokenTypes: {} });
  const request = new Request("https://b.example/", { headers: { authorization: `Bearer ${exchanged.access_token}` } });
  const claims = await oauth.validateJwtAccessToken(as, request, audience, options);

  const signer = { client_id: keyId };
  const key = await crypto.subtle.importKey("jwk", jwk, { name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]);
  const byKey = oauth.PrivateKeyJwt({ key, kid: jwk.kid });
  const own = await oauth.processClientCredentialsResponse(
    as, signer, await oauth.clientCredentialsGrantRequest(as, signer, byKey, { audience }, options));

  const plain = await oauth.processIntrospectionResponse(
    as, client, await oauth.introspectionRequest(as, client, basic, subjectToken, options));
  const answer = await oauth.introspectionRequest(
    as, client, basic, subjectToken, { ...options, requestJwtResponse: true });
  const contentType = answer.headers.get("content-type");
  const forUs = { ...client, introspection_signed_response_alg: "ES256" };
  const signed = await oauth.processIntrospectionResponse(as, forUs, answer);
  await oauth.validateApplicationLevelSignature(as, answer, options);

  await oauth.processRevocationResponse(
    await oauth.revocationRequest(as, user, oauth.None(), refreshed.refresh_token, options));
  const after = await oauth.processIntrospectionResponse(
    as, client, await oauth.introspectionRequest(as, client, basic, subjectToken, options));
  let refused;
  try {
    await oauth.processGenericTokenEndpointResponse(as, client,
      await oauth.genericTokenEndpointRequest(as, client, basic, EXCHANGE,
        { subject_token: subjectToken, subject_token_type: ACCESS, audience }, options));
  } catch (error) {
    refused = { status: error.status, error: error.error };
  }
  let wrong;
  try {
    await oauth.processIntrospectionResponse(as, client,
      await oauth.introspectionRequest(as, client, oauth.ClientSecretBasic("wrong"), subjectToken, options));
  } catch (error) {
    wrong = { name: error.name, challenge: error.cause?.[0]?.scheme, status: error.response?.status ?? error.status };
  }
  return {
    issuer: as.issuer, resource: resource.resource, refreshed: Object.keys(refreshed).sort(), exchanged, claims, own, plain,
    contentType, signed, after, refused, wrong,
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  try {
    console.log(JSON.stringify(await run(JSON.parse(line))));
  } catch (error) {
    console.log(JSON.stringify({ failed: `${error.name}: ${error.message} ${error.code ?? ""} ${JSON.stringify(error.cause ?? null)}` }));
  }
}
