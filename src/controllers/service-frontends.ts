/** What a Service of type LoadBalancer asks of Azure's load balancers: which subnet its address is of, and for which ports it gets rules. */

import { familiesOf } from "../kube/ip-families.ts";
import { loadBalancerAccess } from "../kube/load-balancer-access.ts";
import type { Service, ServicePort } from "../kube/objects.ts";
import { azureAnnotation, isOn, portAnnotation } from "./azure-annotations.ts";

/** The address that the Service wants, if any. Services that want the same one share it. */
export function requestedAddress(service: Service, isIpv6 = false): string | undefined {
  const { loadBalancerIP = "" } = service.spec;
  const own = loadBalancerIP === "" || loadBalancerIP.includes(":") !== isIpv6 ? undefined : loadBalancerIP;
  return azureAnnotation(service, isIpv6 ? "azure-load-balancer-ipv6" : "azure-load-balancer-ipv4") ?? own;
}

/**
 * The public address that the Service names for a family. One of IPv6 alone may name it in the annotation of IPv4, too
 * (cloud-provider-azure, pkg/provider/azure_utils.go: getServicePIPName).
 */
export function namedAddress(service: Service, isIpv6: boolean): { readonly name: string; readonly annotation: string } | undefined {
  const annotations = isIpv6
    ? ["azure-pip-name-ipv6", ...(familiesOf(service).length === 1 ? ["azure-pip-name"] : [])]
    : ["azure-pip-name"];
  return annotations.flatMap((annotation) => {
    const name = azureAnnotation(service, annotation);
    return name === undefined ? [] : [{ name, annotation }];
  })[0];
}

/** The subnet that the Service names for its internal frontend. */
export function annotatedSubnet(service: Service): string | undefined {
  return azureAnnotation(service, "azure-load-balancer-internal-subnet");
}

/** The id of the subnet of an internal frontend: the one that the Service names, of the VNet of `nodeSubnet`, or `nodeSubnet` itself. */
export function frontendSubnet(service: Service, nodeSubnet: string): string {
  const annotated = annotatedSubnet(service);
  return annotated === undefined ? nodeSubnet : nodeSubnet.slice(0, nodeSubnet.lastIndexOf("/") + 1) + annotated;
}

/** One rule for all ports and both protocols: internal load balancers only. */
export function hasAllPorts(service: Service): boolean {
  return loadBalancerAccess(service).isInternal && isOn(azureAnnotation(service, "azure-load-balancer-enable-high-availability-ports"));
}

/** The ports that get a rule each, unless one rule is for all of them. */
export function ruledPorts(service: Service): readonly ServicePort[] {
  return (service.spec.ports ?? []).filter((port) => !isOn(portAnnotation(service, port.port, "no_lb_rule")));
}
