// Other people's JOSE, asked from Python. One JSON object a line on standard input, one answer a line on standard output,
// in the same order:
//   {do: "key", name, jwk, alg}                             keys are parsed once
//   {do: "verify", lib: "jose" | "jsonwebtoken", name, tokens, policy}  -> [claims | null, ...]; null is a refusal
//   {do: "sign", lib, name, claims, header}                 -> a token
//   {do: "decrypt", name, tokens}                           -> [base64 | null, ...]
//   {do: "encrypt", name, text, header}                     -> a token
// Whatever a library throws at a token is a refusal: only what it accepts is compared.
import { createPrivateKey, createPublicKey, createSecretKey } from "node:crypto"
import { createInterface } from "node:readline"
import * as jose from "jose"
import jsonwebtoken from "jsonwebtoken"

const keys = new Map()

const work = {
  async key({ name, jwk, alg }) {
    const isPrivate = "d" in jwk
    const { d, p, q, dp, dq, qi, key_ops, ...rest } = jwk
    const object = jwk.kty === "oct" ? createSecretKey(Buffer.from(jwk.k, "base64url")) : null
    keys.set(name, {
      alg,
      jose: await jose.importJWK(rest, alg),
      joseSign: await jose.importJWK(jwk, alg),
      node: object ?? createPublicKey({ key: rest, format: "jwk" }),
      nodeSign: object ?? (isPrivate ? createPrivateKey({ key: jwk, format: "jwk" }) : null),
    })
    return true
  },
  async verify({ lib, name, tokens, policy }) {
    const key = keys.get(name)
    const { now, issuer, audience, typ, leeway } = policy
    const found = []
    for (const token of tokens) {
      try {
        if (lib === "jose") {
          const { payload } = await jose.jwtVerify(token, key.jose, {
            algorithms: [key.alg], issuer, audience, typ, requiredClaims: ["exp", "iss", "aud"],
            currentDate: new Date(now * 1000), clockTolerance: leeway,
          })
          found.push(payload)
        } else {
          found.push(jsonwebtoken.verify(token, key.node, {
            algorithms: [key.alg], issuer, audience, clockTimestamp: now, clockTolerance: leeway,
          }))
        }
      } catch {
        found.push(null)
      }
    }
    return found
  },
  async sign({ lib, name, claims, header }) {
    const key = keys.get(name)
    return lib === "jose"
      ? new jose.SignJWT(claims).setProtectedHeader(header).sign(key.joseSign)
      : jsonwebtoken.sign(claims, key.nodeSign, { algorithm: key.alg, header })
  },
  async decrypt({ name, tokens }) {
    const key = keys.get(name)
    const found = []
    for (const token of tokens) {
      try {
        const { plaintext } = await jose.compactDecrypt(token, key.joseSign, { keyManagementAlgorithms: [key.alg] })
        found.push(Buffer.from(plaintext).toString("base64"))
      } catch {
        found.push(null)
      }
    }
    return found
  },
  async encrypt({ name, text, header }) {
    return new jose.CompactEncrypt(Buffer.from(text)).setProtectedHeader(header).encrypt(keys.get(name).jose)
  },
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line)
  process.stdout.write(JSON.stringify(await work[request.do](request)) + "\n")
}
