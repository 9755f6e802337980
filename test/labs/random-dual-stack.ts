/** Labs by chance in dual stack: a random lab, with IPv6 wherever Azure has it and a chance of its own says so. */

import { Chance } from "../../src/lab/check.ts";
import { type LabText, randomLab } from "./random-lab.ts";

/** `fd01` for the first VNet. */
function spaceOf(vnet: string): string {
  return `fd0${Number(vnet) + 1}`;
}

/** The same lab for the same seed: that of `randomLab`, and IPv6. */
export function randomDualStackLab(seed: number): LabText {
  const { lab, manifests } = randomLab(seed);
  const chance = new Chance(seed ^ 0x697076);
  const one = (of: number) => chance.below(of) === 0;
  const pick = <T>(items: readonly T[]): T => items[chance.below(items.length)] as T;
  const dual = { ...manifests };
  const publicAddresses: string[] = [];
  let section = "";
  let subnets = 0;
  let clusters = 0;
  const lines = lab.split("\n").flatMap((line): string[] => {
    if (/^\w/.test(line)) section = /^(\w+):/.exec(line)?.[1] ?? "";
    switch (section) {
      case "networks":
        return [
          line
            .replace(
              /name: v(\d), addressSpace: \[([^\]]+)\]/,
              (_, vnet, space) => `name: v${vnet}, addressSpace: [${space}, "${spaceOf(vnet)}::/48"]`,
            )
            .replace(/(name: (\w+), )prefix: ([^, }]+)/g, (_, name, _name, prefix) => {
              const vnet = /name: v(\d)/.exec(line)?.[1] ?? "";
              return `${name}prefixes: [${prefix}, "${spaceOf(vnet)}:0:0:${(++subnets).toString(16)}::/64"]`;
            }),
        ];
      case "machines": {
        const name = /name: (\w+),/.exec(line)?.[1];
        if (name === undefined || line.includes("firewall:") || one(4)) return [line];
        if (one(3)) {
          publicAddresses.push(`${name}-six`);
          return [line.replace(" }", `, ipFamilies: [IPv4, IPv6], publicIPv6Address: ${name}-six }`)];
        }
        return [line.replace(/ }$/, ", ipFamilies: [IPv4, IPv6] }")];
      }
      case "routeTables": {
        const route = `{ name: six, addressPrefix: "${pick(["2001:db8::/64", "::/0", "fd01::/48", "fd02::/48"])}", nextHopType: ${pick(["None", "Internet", "VnetLocal"])} }`;
        return [one(3) ? line.replace("routes: [", `routes: [${route}${line.includes("routes: []") ? "" : ", "}`) : line];
      }
      case "securityGroups":
        return [line.replace(/\{ name: r\d[^{}]*\}/g, (rule) => (one(2) ? inIpv6(rule) : rule))];
      case "internet":
        return [line.replace(/(address: [\d.]+)/, '$1, ipv6Address: "2001:db8::10"')];
      case "clusters":
        return [cluster(line)];
      default:
        return [line];
    }
  });
  const text = lines.join("\n");
  const all = publicAddresses.map((name) => `  - { name: ${name}, publicIPAddressVersion: IPv6 }`).join("\n");
  if (all === "") return { lab: text, manifests: dual };
  const at = /^publicIPAddresses:\n/m;
  return { lab: at.test(text) ? text.replace(at, `publicIPAddresses:\n${all}\n`) : `publicIPAddresses:\n${all}\n${text}`, manifests: dual };

  /** Of a rule: its prefixes, all of them, since a rule has those of one family. */
  function inIpv6(rule: string): string {
    const prefixes = ["2001:db8::10", "2001:db8::/32", "fd01::/48", "fd02::/48", "fd01:0:0:1::/64", "fd12:3456:789a::/64", "::/0"];
    return rule
      .replace(/AddressPrefixes: \[[\d./, ]+\]/g, () => `AddressPrefixes: ["${pick(prefixes)}"]`)
      .replace(/AddressPrefix: \d[\d./]*/g, () => `AddressPrefix: "${pick(prefixes)}"`);
  }

  /** With dual stack where it can be: and then its Services have this or that. */
  function cluster(single: string): string {
    const isLinuxOverlay = single.includes("networkPluginMode: overlay") && !single.includes("osType: Windows");
    const line = single.replace(
      /networkPolicy: (azure|calico), /,
      isLinuxOverlay ? "networkPolicy: cilium, networkDataplane: cilium, " : "",
    );
    const hasPodCidr = line.includes("networkPlugin: kubenet") || line.includes("networkPluginMode: overlay");
    const isKubenet = line.includes("networkPlugin: kubenet");
    const refused = /NATGateway/.test(line);
    if (!hasPodCidr || (isKubenet && line.includes("osType: Windows")) || refused || one(4)) return single;
    const podCidr = /podCidr: ([^,]+)/.exec(line)?.[1] ?? "";
    const serviceCidr = /serviceCidr: ([^,]+)/.exec(line)?.[1] ?? "";
    const range = `fd1${(++clusters).toString(16)}`;
    const file = /manifests: \[([^\],]+)\]/.exec(line)?.[1] ?? "";
    const kinds = [
      "",
      "ipFamilyPolicy: PreferDualStack, ",
      "ipFamilyPolicy: RequireDualStack, ipFamilies: [IPv6, IPv4], ",
      "ipFamilies: [IPv6], ",
    ];
    dual[file] = (dual[file] ?? "").replace(/kind: Service\n(.*)\nspec: \{ /g, (found, metadata: string) => {
      // A fixed IPv4 address and one rule for all ports are of IPv4.
      const kind = /load-balancer-ipv4|high-availability/.test(metadata) ? "" : pick(kinds);
      return `${found}${kind}`;
    });
    // Blocks of network policies, some of them, in the other family.
    dual[file] = (dual[file] ?? "").replace(/\{"cidr":"[^"]+"(,"except":\[[^\]]+\])?\}/g, (block) =>
      one(2) ? pick(['{"cidr":"::/0"}', '{"cidr":"fd01::/48"}', '{"cidr":"::/0","except":["fd01::/48","2001:db8::/64"]}']) : block,
    );
    return line.replace(
      /podCidr: [^,]+/,
      `ipFamilies: [IPv4, IPv6], podCidrs: [${podCidr}, "${range}::/${pick([48, 56, 64])}"], serviceCidrs: [${serviceCidr}, "${range}:ffff::/108"]`,
    );
  }
}
