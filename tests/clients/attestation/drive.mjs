// Drives a running attestation service with the unmodified client of Azure Attestation.
//
//   node drive.mjs READY VECTORS CERTIFICATE.pem KEY.pem OTHER_CERTIFICATE.pem
//
// READY is the file of `coffer up --ready-file`; the certificate is the isolated instance's policy certificate. Says what it
// tried, one line each; the first thing that is not as it should be ends it with status 1.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import pkg from "@azure/attestation";
const { AttestationAdministrationClient, AttestationClient, createAttestationPolicyToken } = pkg;

const [, , readyFile, vectors, certificateFile, keyFile, otherFile] = process.argv;
const ready = JSON.parse(readFileSync(readyFile));
const text = (file) => readFileSync(file, "utf8");
const certificate = text(certificateFile), key = text(keyFile), other = text(otherFile);
const credential = (token) => ({ getToken: async () => ({ token, expiresOnTimestamp: Date.now() + 3600_000 }) });
const url = ready.attestation.url, isolated = ready.attestation.isolated_url;

const recorded = JSON.parse(text(`${vectors}/maa/recordings/Attestation-AttestationTests.AttestWithRuntimeDataJson-SgxEnclave_Isolated.json`))
  .find((call) => call.uri.includes("/attest/SgxEnclave"));
const sent = typeof recorded.request_body === "string" ? JSON.parse(recorded.request_body) : recorded.request_body;
const quote = Buffer.from(sent.quote, "base64url");
const runtime = Buffer.from(sent.runtimeData.data, "base64url");
// The same quote as Open Enclave's remote report: version 1, type 2, size.
const header = Buffer.alloc(16);
header.writeUInt32LE(1, 0);
header.writeUInt32LE(2, 4);
header.writeBigUInt64LE(BigInt(quote.length), 8);
const report = Buffer.concat([header, quote]);

let done = 0;
async function check(what, action) {
  try {
    await action();
  } catch (error) {
    console.error(`${what}: ${error.stack ?? error}`);
    process.exit(1);
  }
  ++done;
  console.log(`ok  ${what}`);
}
const refuses = (promise, code) => assert.rejects(promise, (error) => {
  assert.equal(error.code ?? error.details?.error?.code, code, String(error));
  return true;
});

async function attest(name, instance) {
  const client = new AttestationClient(instance, { validationOptions: { validateToken: true, validateIssuer: true, expectedIssuer: instance } });
  for (const [form, evidence, call] of [["SGX", quote, "attestSgxEnclave"], ["Open Enclave", report, "attestOpenEnclave"]]) {
    await check(`${name}: ${form}, no runtime data`, async () => {
      const { body } = await client[call](evidence);
      assert.match(body.mrEnclave, /^[0-9a-f]{64}$/);
      assert.equal(body.issuer, instance);
    });
    await check(`${name}: ${form}, binary runtime data`, async () => {
      const { body } = await client[call](evidence, { runTimeData: runtime });
      assert.deepEqual(Buffer.from(body.enclaveHeldData), runtime);
    });
    await check(`${name}: ${form}, JSON runtime data`, async () => {
      const { body, token } = await client[call](evidence, { runTimeJson: runtime });
      assert.deepEqual(body.runTimeClaims, JSON.parse(runtime.toString().replace(/\0$/, "")));
      assert.equal(token.getHeaders?.()?.algorithm ?? token.algorithm, "RS256");
    });
    await check(`${name}: ${form}, other runtime data is refused`, () =>
      refuses(client[call](evidence, { runTimeData: Buffer.from("something else") }), "InvalidParameter"));
    await check(`${name}: ${form}, a draft policy gives an unsigned token`, async () => {
      const { token } = await client[call](evidence, {
        draftPolicyForAttestation: 'version=1.0; authorizationrules{ => permit(); }; issuancerules{ => issue(type="drafted", value="yes"); };',
        validationOptions: { validateToken: false },
      });
      const [first, body] = token.serialize().split(".").map((part) => part && JSON.parse(Buffer.from(part, "base64url")));
      assert.equal(first.alg, "none");
      assert.equal(body.drafted, "yes");
    });
    await check(`${name}: ${form}, a draft policy that denies`, () =>
      refuses(client[call](evidence, { draftPolicyForAttestation: "version=1.0; authorizationrules{ => deny(); }; issuancerules{};" }), "PolicyEvaluationError"));
  }
  await check(`${name}: a changed quote is refused`, () => {
    const changed = Buffer.from(quote);
    changed[120] ^= 1;
    return refuses(client.attestSgxEnclave(changed), "InvalidParameter");
  });
  await check(`${name}: signers and metadata`, async () => {
    assert.ok((await client.getAttestationSigners()).length >= 1);
    assert.equal((await client.getOpenIdMetadata()).issuer, instance);
  });
}

const policy = 'version=1.0; authorizationrules{ c:[type=="$is-debuggable"] => permit(); }; issuancerules{ => issue(type="mine", value=true); };';

async function administrate(name, instance, signing) {
  const client = new AttestationAdministrationClient(instance, credential(ready.token));
  for (const type of ["SgxEnclave", "OpenEnclave", "Tpm"]) {
    await check(`${name}: ${type}, the default policy`, async () => assert.match((await client.getPolicy(type)).body, /permit/));
    await check(`${name}: ${type}, set, get and reset`, async () => {
      const expected = createAttestationPolicyToken(policy, signing.privateKey, signing.certificate).serialize();
      const { body } = await client.setPolicy(type, policy, signing);
      assert.equal(body.policyResolution, "Updated");
      if (!signing.privateKey) {
        assert.deepEqual(Buffer.from(body.policyTokenHash), createHash("sha256").update(expected).digest());
      } else {
        assert.ok(body.policySigner, "the signer is not said");
      }
      assert.equal((await client.getPolicy(type)).body, policy);
      if (type === "SgxEnclave") {
        const answer = await new AttestationClient(instance).attestSgxEnclave(quote, { runTimeJson: runtime });
        assert.equal(answer.token.getBody().mine, true);
      }
      assert.equal((await client.resetPolicy(type, signing)).body.policyResolution, "Removed");
      assert.notEqual((await client.getPolicy(type)).body, policy);
    });
  }
  await check(`${name}: a policy that is none`, () => refuses(client.setPolicy("SgxEnclave", "version=1.0; authorization", signing), "PolicyParsingError"));
  await check(`${name}: nobody administrates without a good token`, async () => {
    const stranger = new AttestationAdministrationClient(instance, credential(ready.token.slice(0, -8) + "AAAAAAAA"));
    await assert.rejects(stranger.setPolicy("SgxEnclave", policy, signing), (error) => error.statusCode === 401);
  });
}

await attest("shared", url);
await attest("isolated", isolated);
await administrate("shared", url, {});
await administrate("shared, signed", url, { privateKey: key, certificate });
await administrate("isolated", isolated, { privateKey: key, certificate });

const isolatedClient = new AttestationAdministrationClient(isolated, credential(ready.token));
await check("isolated: an unsigned policy is refused", () => refuses(isolatedClient.setPolicy("SgxEnclave", policy), "InvalidOperation"));
await check("isolated: certificates are added, listed and removed", async () => {
  assert.equal((await isolatedClient.getPolicyManagementCertificates()).body.length, 1);
  const added = await isolatedClient.addPolicyManagementCertificate(other, key, certificate);
  assert.equal(added.body.certificateResolution, "IsPresent");
  assert.equal((await isolatedClient.getPolicyManagementCertificates()).body.length, 2);
  const removed = await isolatedClient.removePolicyManagementCertificate(other, key, certificate);
  assert.equal(removed.body.certificateResolution, "IsAbsent");
  assert.equal((await isolatedClient.getPolicyManagementCertificates()).body.length, 1);
});
await check("isolated: the last certificate stays", () => refuses(isolatedClient.removePolicyManagementCertificate(certificate, key, certificate), "InvalidOperation"));
await check("shared: has no policy certificates", async () =>
  assert.equal((await new AttestationAdministrationClient(url, credential(ready.token)).getPolicyManagementCertificates()).body.length, 0));
console.log(`${done} checks`);
