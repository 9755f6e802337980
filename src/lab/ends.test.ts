import { describe, expect, test } from "vitest";
import { cluster, deployment, machine, pool, service, subnetId, TestLab, vnet } from "../controllers/testing/lab.ts";
import { endNames, findHost, findSender, findTarget, type Hints } from "./ends.ts";
import { LabView } from "./view.ts";

const clusters = ["red", "blue"];
const lab = new TestLab([
  ...vnet("hub", ["10.240.0.0/16"], { red: "10.240.0.0/24", blue: "10.240.2.0/23", data: "10.240.4.0/24" }),
  { ...machine("db", subnetId("hub", "data")), tags: { ...machine("db", subnetId("hub", "data")).tags, "drydock-listen": "5432/tcp" } },
  ...clusters.flatMap((name) => [
    cluster(name, name === "red" ? { networkPlugin: "kubenet", podCidr: "10.244.0.0/16" } : { serviceCidr: "10.1.0.0/16" }),
    pool(name, "np1", subnetId("hub", name), { count: 2 }),
  ]),
]);
for (const name of clusters) {
  lab.add(name, { apiVersion: "v1", kind: "Namespace", metadata: { name: "default" } });
  lab.add(name, deployment("web", 3), service("web", { type: "LoadBalancer", ports: [{ name: "http", port: 80, nodePort: 30080 }] }));
}
lab.add("red", deployment("api", 1), service("api"));
lab.settle();
const view = new LabView("test", lab.resources);
const pod = view.endpoints.find((endpoint) => endpoint.cluster === "blue" && endpoint.name.startsWith("web-"))?.name ?? "";
const redNode = view.endpoints.find((endpoint) => endpoint.kind === "node" && endpoint.cluster === "red");

function sender(text: string, hints: Hints = {}) {
  const result = findSender(view, text, hints);
  return "found" in result ? result.found : result.problem;
}
function target(text: string, hints: Hints = {}) {
  const result = findTarget(view, text, hints);
  return "found" in result ? result.found : result.problem;
}

describe("senders", () => {
  test.each([
    { text: "vm/db", want: { label: "vm/db", host: "vm/db", address: "10.240.4.4" } },
    { text: "10.240.4.4", want: { label: "vm/db" } },
    { text: `pod/${pod}`, hints: { cluster: "blue" }, want: { label: `blue:default/pod/${pod}` } },
    { text: `blue:default/pod/${pod}`, want: { label: `blue:default/pod/${pod}` } },
    { text: `pod/blue/default/${pod}`, want: { label: `blue:default/pod/${pod}` } },
    { text: `blue:po/${pod}`, want: { label: `blue:default/pod/${pod}` } },
    { text: "deploy/api", want: { cluster: "red", namespace: "default" } },
    { text: "red:deploy/web", want: { cluster: "red" } },
    { text: "deploy/web", hints: { cluster: "blue" }, want: { cluster: "blue" } },
    { text: redNode?.label ?? "", want: { host: redNode?.host } },
    { text: `node/${redNode?.name}`, want: { host: redNode?.host } },
    { text: "red:node/000000", want: { host: redNode?.host } },
  ])("$text", ({ text, hints, want }) => expect(sender(text, hints)).toMatchObject(want));

  test.each([
    { text: "svc/web", what: "svc/web: a Service sends no packets" },
    { text: "vm/db:5432", what: "vm/db:5432: a sender has no port" },
    { text: "vm/dv", what: "there is no vm/dv in lab test", near: ["vm/db"] },
    { text: "deploy/web", what: "deploy/web may be any of 2", near: ["red:default/deploy/web", "blue:default/deploy/web"] },
    { text: "deploy/wbe", what: "there is no deploy/wbe in lab test", near: ["blue:default/deploy/web", "red:default/deploy/web"] },
    { text: "reb:deploy/web", what: "there is no cluster reb", near: ["red"] },
    { text: "10.9.9.9", what: "nobody has the address 10.9.9.9" },
    { text: "db", what: '"db" is no end of a journey', near: ["vm/db"] },
  ])("$text is answered with what is near", ({ text, what, near }) => {
    const problem = sender(text);
    expect(problem).toMatchObject({ what });
    if (near !== undefined) expect("near" in problem ? [...problem.near].sort() : []).toEqual([...near].sort());
  });
});

describe("targets", () => {
  const red = sender("red:deploy/api");
  const inRed: Hints = "host" in red ? { sender: red } : {};
  test.each([
    { text: "vm/db", want: { address: "10.240.4.4", port: 5432, protocol: "tcp" } },
    { text: "vm/db:53/udp", want: { port: 53, protocol: "udp" } },
    { text: "vm/db", hints: { protocol: "icmp" as const }, want: { protocol: "icmp", address: "10.240.4.4" } },
    { text: "8.8.8.8", want: { protocol: "icmp", address: "8.8.8.8", label: "8.8.8.8" } },
    { text: "8.8.8.8:53/udp", want: { protocol: "udp", port: 53 } },
    { text: "[fd00::4]:80", want: { protocol: "tcp", port: 80, address: "fd00::4" } },
    { text: "fd00::4", want: { protocol: "icmp", address: "fd00::4" } },
    { text: "svc/web", hints: inRed, want: { label: "red:default/svc/web:80", port: 80, service: { via: "clusterip" } } },
    { text: "svc/web:http", hints: { ...inRed, via: "nodeport" as const }, want: { address: redNode?.address, port: 30080 } },
    { text: "red:svc/web:80", hints: { ...inRed, via: "loadbalancer" as const }, want: { service: { via: "loadbalancer" } } },
    { text: "blue:svc/web", hints: inRed, want: { service: { via: "loadbalancer", cluster: "blue" } } },
    { text: "deploy/api", hints: inRed, want: { port: 80, protocol: "tcp" } },
  ])("$text", ({ text, hints, want }) => expect(target(text, hints)).toMatchObject(want));

  test.each([
    { text: "svc/web:81", what: "Service red:default/svc/web has no port 81", fix: "its ports are 80 (http)" },
    { text: "svc/wbe", what: "there is no svc/wbe in lab test" },
    { text: "vm/db:http", what: 'vm/db:http: "http" is no port' },
    { text: "vm/db:70000", what: 'vm/db:70000: "70000" is no port' },
    { text: "node/000000", what: "node/000000: red:node/" },
  ])("$text is answered with the reason", ({ text, what, fix }) => {
    const hints = text.startsWith("node") ? { ...inRed, protocol: "tcp" as const } : inRed;
    const problem = target(text, hints);
    expect("what" in problem ? problem.what : problem).toContain(what);
    if (fix !== undefined) expect(problem).toMatchObject({ fix });
  });
});

test("every offered name is an end", () => {
  for (const name of endNames(view)) {
    const result = findTarget(view, name, {});
    // Nodes listen on nothing, and ICMP needs no port.
    expect("found" in result, `${name}: ${JSON.stringify(result)}`).toBe(true);
  }
});

test("every host of the network is a host, by its name too", () => {
  for (const name of view.network.names()) expect(findHost(view, name)).toEqual({ found: name });
  expect(findHost(view, "db")).toEqual({ found: "vm/db" });
  expect(findHost(view, "vm/dbb")).toMatchObject({ problem: { near: ["vm/db"] } });
});

test("every address has an owner", () => {
  const { owners } = view;
  expect(owners.get("10.240.4.4")).toMatchObject({ owner: "vm/db", from: "subnet hub/data" });
  for (const endpoint of view.endpoints) expect(owners.get(endpoint.address)?.owner).toBe(endpoint.label);
});
