/**
 * A certificate for stand-ins that are spoken to by TLS: self-signed, with a key of its own for each process. Azure's HTTPS probes take any
 * (Azure docs: load-balancer-custom-probe-overview). Node makes keys and signatures; the certificate around them (RFC 5280) is written here.
 */

import { generateKeyPairSync, sign } from "node:crypto";

/** DER tags (X.690). */
const [integerTag, bitString, oid, utf8, utcTime, sequenceTag, setTag] = [0x02, 0x03, 0x06, 0x0c, 0x17, 0x30, 0x31];

const ecdsaWithSha256 = der(sequenceTag, der(oid, Buffer.from("2a8648ce3d040302", "hex")));
const commonName = Buffer.from("550403", "hex");

/** In PEM. */
export type Certificate = { readonly key: string; readonly cert: string };

/** Valid from 2020 to 2049: clocks of labs say nothing. */
export function selfSigned(name: string): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const subject = der(sequenceTag, der(setTag, der(sequenceTag, der(oid, commonName), der(utf8, Buffer.from(name)))));
  const time = (text: string) => der(utcTime, Buffer.from(text));
  const body = der(
    sequenceTag,
    der(integerTag, Buffer.from([1])),
    ecdsaWithSha256,
    subject,
    der(sequenceTag, time("200101000000Z"), time("491231235959Z")),
    subject,
    publicKey.export({ type: "spki", format: "der" }),
  );
  const signature = sign("sha256", body, privateKey);
  const certificate = der(sequenceTag, body, ecdsaWithSha256, der(bitString, Buffer.from([0]), signature));
  return { key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(), cert: pem(certificate) };
}

function der(tag: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  const head = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...head]), content]);
}

function pem(certificate: Buffer): string {
  const lines = certificate.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}
