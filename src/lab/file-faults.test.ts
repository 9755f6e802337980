import { describe, expect, test } from "vitest";
import type { Pod } from "../kube/objects.ts";
import { kubeBucket } from "../resources/resources.ts";
import { openLab, readLab } from "./index.ts";

const lab = (faults: string) => `lab: f
networks:
  - name: hub
    addressSpace: [10.240.0.0/16]
    subnets: [{ name: nodes, prefix: 10.240.0.0/24 }, { name: data, prefix: 10.240.1.0/24 }]
machines: [{ name: db, subnet: hub/data, listen: [5432/tcp] }]
sites: [{ name: hq, network: hub, prefixes: [192.168.0.0/16] }]
clusters: [{ name: c, networkPlugin: kubenet, subnet: hub/nodes, pools: [{ name: p, count: 2 }], manifests: [web.yaml] }]
faults:
${faults}
`;
const web = `apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec: { replicas: 2, selector: { matchLabels: { app: web } }, template: { metadata: { labels: { app: web } }, spec: { containers: [{ name: web, image: nginx, ports: [{ containerPort: 80 }] }] } } }
`;
const read = (path: string) => ({ path, text: web });
const open = (faults: string) => openLab([{ path: "lab.yaml", text: lab(faults) }], read);

describe("faults of a lab file", () => {
  test("are there when the lab is at rest, under names of their own or of kind and target, each name once", () => {
    const { view, problems } = open(`  - { kind: stop, target: node/000001, name: gone }
  - { kind: site, target: hq }
  - { kind: snat, target: vm/db }
  - { kind: stop, target: vm/db }
  - { kind: site, target: site/hq }`);
    expect(problems).toEqual([]);
    expect(view?.topology.faults.map(({ name }) => name)).toEqual(["gone", "site-hq", "site-hq-2", "snat-db", "stop-db"]);
  });

  test("hit a lab at rest: the pods of a node that is stopped are on it", () => {
    const { view } = open("  - { kind: stop, target: node/000001 }");
    const pods = (view?.resources.list(kubeBucket("c", "Pod")) ?? []) as unknown as readonly Pod[];
    const ready = pods
      .filter(({ metadata }) => metadata.name.startsWith("web-"))
      .map(({ spec, status }) => `${spec.nodeName} ${status?.conditions?.find(({ type }) => type === "Ready")?.status}`);
    expect(ready.sort()).toEqual(["aks-p-78898418-vmss000000 True", "aks-p-78898418-vmss000001 False"]);
  });

  test("are documents of a lab that is to run, with ids for what they hit", () => {
    const { documents, problems } = readLab([{ path: "lab.yaml", text: lab("  - { kind: route, target: 000001 }") }], read);
    expect(problems).toEqual([]);
    expect(documents.at(-1)?.value).toMatchObject({
      type: "Drydock.Lab/faults",
      properties: { kind: "route", routeTable: { id: expect.stringContaining("/routeTables/aks-agentpool-") } },
    });
  });

  test("that are wrong are told all at once, with their places", () => {
    const told = (faults: string) => open(faults).problems.map(({ line, path, message, fix }) => `${line} ${path}: ${message}; ${fix}`);
    expect(
      told(`  - { kind: stop, target: vm/bd }
  - { kind: site, target: hq }
  - { kind: stop, target: node/0 }
  - { kind: peering, target: x }`),
    ).toEqual([
      "10 faults[0].target: there is nothing like vm/bd that a fault of kind stop could hit; did you mean vm/db?; there are vm/db, c:node/aks-p-78898418-vmss000000, c:node/aks-p-78898418-vmss000001",
      "12 faults[2].target: node/0 may be any of 2; did you mean c:node/aks-p-78898418-vmss000000 or c:node/aks-p-78898418-vmss000001?; say more of its name",
      "13 faults[3].target: there is nothing like x that a fault of kind peering could hit; the lab has none",
    ]);
    expect(
      told(`  - { kind: stopp, target: vm/db, for: 60s }
  - { kind: site, target: hq, name: A b }
  - { kind: site, target: hq, name: twice }
  - { kind: stop, target: vm/db, name: twice }
  - { kind: stop }`),
    ).toEqual([
      '10 faults[0].kind: "stopp" is no kind of fault; did you mean stop?; use route or stop or probe or snat or leak or site or peering or routes or replies or forget',
      "10 faults[0].for: for of a fault is not modelled yet; leave it out: a file's faults stay until they are removed; 'drydock fault add --for' breaks something for a time",
      `11 faults[1].name: "A b" is no name for a fault; use 1 to 40 lower-case letters, digits and '-', the first not '-', such as vpn-down`,
      '13 faults[3].name: there are two faults called "twice": here and at faults[2].name. Azure\'s names do not differ in case alone; give one of them another name',
      "14 faults[4].target: a fault needs target; give it: Name of what it hits, or a part of the name that no other has, as 'drydock fault add' takes it, such as \"node/000001\"",
    ]);
  });
});
