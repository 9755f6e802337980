import { X509Certificate } from "node:crypto";
import { connect, createServer } from "node:tls";
import { expect, test } from "vitest";
import { selfSigned } from "./certificate.ts";

test("a self-signed certificate is one, and TLS takes it", async () => {
  const made = selfSigned("stand-in");
  const certificate = new X509Certificate(made.cert);
  expect(certificate.subject).toBe("CN=stand-in");
  expect(certificate.verify(certificate.publicKey)).toBe(true);
  const server = createServer(made, (socket) => socket.end("hello"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const bound = server.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : 0;
  const said = await new Promise<string>((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false }).on("error", reject);
    socket.on("data", (data) => resolve(data.toString()));
  });
  server.close();
  expect(said).toBe("hello");
});
