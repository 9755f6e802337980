/**
 * Which address families a Service has: as it says, or as the API server decides for one that does not (kubernetes/kubernetes:
 * pkg/registry/core/service/storage/alloc.go, initIPFamilyFields; k8s docs: concepts/services-networking/dual-stack).
 */

import type { Service } from "./objects.ts";

type IpFamily = "IPv4" | "IPv6";
type Families = Required<Pick<Service["spec"], "ipFamilies" | "ipFamilyPolicy">>;

/** In a cluster with these families, of which the first is that of a Service that says nothing. */
export function ipFamiliesOf({ spec }: Service, ofCluster: readonly IpFamily[]): Families {
  const given = spec.ipFamilies ?? (spec.clusterIPs ?? [spec.clusterIP]).flatMap(familyOfText);
  const policy = spec.ipFamilyPolicy ?? (given.length > 1 ? "RequireDualStack" : "SingleStack");
  const first = given[0] ?? ofCluster[0] ?? "IPv4";
  if (policy === "SingleStack" || ofCluster.length < 2) return { ipFamilies: [first], ipFamilyPolicy: policy };
  return { ipFamilies: given.length > 1 ? given : [first, first === "IPv4" ? "IPv6" : "IPv4"], ipFamilyPolicy: policy };
}

function familyOfText(text: string | undefined): IpFamily[] {
  if (text === undefined || text === "" || text === "None") return [];
  return [text.includes(":") ? "IPv6" : "IPv4"];
}

/** Those that a Service has been given. */
export function familiesOf({ spec }: Service): readonly IpFamily[] {
  return spec.ipFamilies ?? ["IPv4"];
}
