import { readFileSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { HostName } from "../../src/ir/network.ts";
import { connectTcp, Kernel } from "../../src/kernel/index.ts";
import { openLab } from "../../src/lab/index.ts";
import type { LabView } from "../../src/lab/view.ts";
import { type Address, mustAddress } from "../../src/net/address.ts";
import { enter } from "../../src/world/stand-in.ts";
import { RunningLab } from "../labs/running-lab.ts";

/** What examples/security-groups says of itself, with real packets, and what becomes of a flow when the rules change. */
const folder = join(import.meta.dirname, "../../examples/security-groups");
const text = readFileSync(join(folder, "lab.yaml"), "utf8");

function open(lab: string): LabView {
  const { view, problems } = openLab([{ path: "lab.yaml", text: lab }], (path) => ({
    path,
    text: readFileSync(join(folder, path), "utf8"),
  }));
  if (view === undefined) throw new Error(JSON.stringify(problems));
  return view;
}

const kernel = new Kernel();
const view = open(text);
const lab = new RunningLab(view, kernel);
afterAll(() => lab.close());

const db = mustAddress("10.240.4.4");
const reaches = async (host: HostName, destination: Address, destinationPort: number) =>
  (await lab.send({ host, packet: { protocol: "tcp", destination, destinationPort } })).reachable;
const first = (start: string): HostName => view.network.names().find((name) => name.startsWith(start)) ?? "";

describe("who reaches whom", () => {
  const frontend = mustAddress(
    view.topology.clusters.get("shop")?.services.find(({ metadata }) => metadata.name === "web")?.status?.loadBalancer?.ingress?.[0]?.ip ??
      "",
  );
  test("pods, by their node's address", async () => expect(await reaches(first("pod/shop/default/web"), db, 5432)).toBe(true));
  test("a member of an application security group", async () => expect(await reaches("vm/jump", db, 5432)).toBe(true));
  test("nobody else of the virtual network", async () => expect(await reaches("vm/stranger", db, 5432)).toBe(false));
  test("of the Internet, whom the Service lets in", async () => {
    expect(await reaches("internet/office", frontend, 80)).toBe(true);
    expect(await reaches("internet/elsewhere", frontend, 80)).toBe(false);
  });
});

test("a flow that was let through goes on under rules that would deny it, and a new one does not begin", async () => {
  const socket = new Socket({ fd: enter("vm/jump", () => connectTcp({ destination: db, port: 5432 })), readable: true, writable: true });
  try {
    expect(await asked(socket)).toContain("200 OK");
    const denying = text.replace(
      "name: allow-operators\n        priority: 100\n        direction: Inbound\n        access: Allow",
      "name: allow-operators\n        priority: 100\n        direction: Inbound\n        access: Deny",
    );
    expect(denying).not.toBe(text);
    expect(kernel.apply(open(denying).network).errors).toEqual([]);
    expect(await reaches("vm/jump", db, 5432)).toBe(false);
    expect(await asked(socket)).toContain("200 OK");
  } finally {
    socket.destroy();
    kernel.apply(view.network);
  }
});

/** One request of a connection that stays. */
function asked(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    socket.once("data", (data) => resolve(data.toString()));
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("the connection was closed")));
    socket.setTimeout(3000, () => reject(new Error("no answer")));
    socket.write("GET /hostname HTTP/1.1\r\nHost: db\r\n\r\n");
  });
}
