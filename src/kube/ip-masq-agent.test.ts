import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mustPrefix } from "../net/prefix.ts";
import { effectiveMasquerade, formatMasqueradeConfig } from "./ip-masq-agent.ts";
import type { ConfigMap } from "./objects.ts";

const map = (name: string, text: string | undefined): ConfigMap => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "kube-system" },
  data: text === undefined ? {} : { "ip-masq-agent": text },
});
const reconciled = map("azure-ip-masq-agent-config-reconciled", formatMasqueradeConfig([mustPrefix("10.244.0.0/16")]));

describe("effectiveMasquerade", () => {
  it.each([
    { name: "AKS's own", maps: [reconciled], cidrs: ["10.244.0.0/16"], linkLocal: true, problems: 0 },
    {
      name: "AKS's and the user's: lists appended, booleans or-ed",
      maps: [reconciled, map("azure-ip-masq-agent-config", "nonMasqueradeCIDRs: [192.168.0.0/16]\nmasqLinkLocal: false")],
      cidrs: ["192.168.0.0/16", "10.244.0.0/16"],
      linkLocal: true,
      problems: 0,
    },
    {
      name: "JSON",
      maps: [map("azure-ip-masq-agent-config", '{"nonMasqueradeCIDRs":["10.0.0.0/8"]}')],
      cidrs: ["10.0.0.0/8"],
      linkLocal: false,
      problems: 0,
    },
    { name: "nothing", maps: [], cidrs: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"], linkLocal: false, problems: 0 },
    {
      name: "an empty list",
      maps: [map("azure-ip-masq-agent-config", "nonMasqueradeCIDRs: []\nmasqLinkLocal: true")],
      cidrs: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"],
      linkLocal: true,
      problems: 0,
    },
    {
      name: "host bits",
      maps: [reconciled, map("azure-ip-masq-agent-config", "nonMasqueradeCIDRs: [10.0.0.1/8]")],
      cidrs: ["10.244.0.0/16"],
      linkLocal: true,
      problems: 1,
    },
    {
      name: "no key",
      maps: [reconciled, map("azure-ip-masq-agent-config", undefined)],
      cidrs: ["10.244.0.0/16"],
      linkLocal: true,
      problems: 1,
    },
    {
      name: "more than 64",
      maps: [
        reconciled,
        map("azure-ip-masq-agent-config", `nonMasqueradeCIDRs: [${Array.from({ length: 65 }, (_, i) => `10.${i}.0.0/16`).join()}]`),
      ],
      cidrs: ["10.244.0.0/16"],
      linkLocal: true,
      problems: 1,
    },
  ])("$name", ({ maps, cidrs, linkLocal, problems }) => {
    const effect = effectiveMasquerade(maps);
    expect(effect.nonMasqueradeCidrs).toEqual(cidrs);
    expect(effect.masqLinkLocal).toBe(linkLocal);
    expect(effect.problems).toHaveLength(problems);
  });

  it("never throws", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), fc.constant("a: &a [*a]"), fc.constant("&a [*a, *a]")), (text) => {
        effectiveMasquerade([map("azure-ip-masq-agent-config", text)]);
      }),
    );
  });
});
