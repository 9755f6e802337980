/** The annotations by which a Service speaks to Azure, read as cloud-provider-azure reads them (pkg/consts/helpers.go). Documents are checked before. */

import type { Service } from "../kube/objects.ts";

const prefix = "service.beta.kubernetes.io/";

/** Without `service.beta.kubernetes.io/`. `undefined` also when it is there and empty. */
export function azureAnnotation({ metadata }: Service, name: string): string | undefined {
  const text = metadata.annotations?.[prefix + name]?.trim();
  return text === "" ? undefined : text;
}

/** Of one port of the Service, by the port's number. */
export function portAnnotation(service: Service, port: number, name: string): string | undefined {
  return azureAnnotation(service, `port_${port}_${name}`);
}

export function isOn(text: string | undefined): boolean {
  return text?.toLowerCase() === "true";
}

/** Without it the fabric translates to the node's own address and the node port. */
export function hasFloatingIp(service: Service): boolean {
  return !isOn(azureAnnotation(service, "azure-disable-load-balancer-floating-ip"));
}

/** The same in IPv6, where internal load balancers have no floating IP (Azure docs: virtual-network/ip-services/ipv6-overview, limitations). */
export function floatsInIpv6(service: Service): boolean {
  return hasFloatingIp(service) && !isOn(azureAnnotation(service, "azure-load-balancer-internal"));
}
