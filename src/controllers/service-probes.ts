/**
 * Which health probe a Service's load-balancing rule has (cloud-provider-azure, pkg/provider/azure_loadbalancer_healthprobe.go). An annotation for
 * the port goes before the port's appProtocol, and that before an annotation for the Service.
 */

import type { LoadBalancer } from "../arm/resources.ts";
import { isOlder } from "../arm/rules/versions.ts";
import type { Service, ServicePort } from "../kube/objects.ts";
import { azureAnnotation, portAnnotation } from "./azure-annotations.ts";

export type ProbeSettings = LoadBalancer["properties"]["probes"][number]["properties"];

/** Seconds and failures (cloud-provider-azure, pkg/consts/consts.go). */
const [defaultInterval, defaultCount] = [5, 2];

/** The name of the one probe of all Services of policy Cluster, in shared mode, and the sidecar that it asks (AKS docs, shared-health-probes.md). */
export const sharedProbeName = "cluster-service-shared-health-probe";
export const sharedProbe: ProbeSettings = {
  protocol: "Http",
  port: 10356,
  requestPath: "/healthz",
  intervalInSeconds: defaultInterval,
  numberOfProbes: defaultCount,
};

/** Under policy Local: kube-proxy's answer for the Service, on its health-check node port. */
export function healthCheckProbe(service: Service): (ProbeSettings & { readonly requestPath: string }) | undefined {
  const { externalTrafficPolicy, healthCheckNodePort } = service.spec;
  if (externalTrafficPolicy !== "Local" || healthCheckNodePort === undefined) return undefined;
  return { protocol: "Http", port: healthCheckNodePort, requestPath: "/healthz", ...timingOf(service, healthCheckNodePort) };
}

/** Before it an appProtocol of HTTP counted only where a path was said, too (cloud-provider-azure, content/en/topics/loadbalancer.md). */
const defaultPathSince = "1.24";

/**
 * What asks this port of the Service and no other. None for UDP, nor under policy Local unless the port says which port to ask. `version`: of
 * Kubernetes, where it is known.
 */
export function portProbe(service: Service, port: ServicePort, version: string | undefined): ProbeSettings | undefined {
  if (port.protocol === "UDP" || port.protocol === "SCTP") return undefined;
  const asked = portAnnotation(service, port.port, "health-probe_port");
  if (asked === undefined && healthCheckProbe(service) !== undefined) return undefined;
  const number = asked === undefined ? port.nodePort : askedPort(service, asked);
  if (number === undefined) return undefined;
  const protocol = protocolOf(
    portAnnotation(service, port.port, "health-probe_protocol") ??
      port.appProtocol ??
      azureAnnotation(service, "azure-load-balancer-health-probe-protocol"),
  );
  const timing = timingOf(service, port.port);
  const requestPath =
    portAnnotation(service, port.port, "health-probe_request-path") ??
    azureAnnotation(service, "azure-load-balancer-health-probe-request-path");
  const isOld = version !== undefined && isOlder(version, defaultPathSince);
  if (protocol === "Tcp" || (isOld && requestPath === undefined)) return { protocol: "Tcp", port: number, ...timing };
  return { protocol, port: number, requestPath: requestPath ?? "/", ...timing };
}

/** A port of the Service, by name or number, stands for its node port; another number for itself. */
function askedPort({ spec }: Service, text: string): number | undefined {
  const own = spec.ports?.find(({ name, port }) => name?.toLowerCase() === text.toLowerCase() || String(port) === text);
  if (own !== undefined) return own.nodePort;
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

/** What is neither HTTP nor HTTPS, such as an appProtocol of gRPC, is asked by TCP. */
function protocolOf(text: string | undefined): ProbeSettings["protocol"] {
  switch (text?.toLowerCase()) {
    case "http":
      return "Http";
    case "https":
      return "Https";
    default:
      return "Tcp";
  }
}

function timingOf(service: Service, port: number): Pick<ProbeSettings, "intervalInSeconds" | "numberOfProbes"> {
  const number = (name: string, otherwise: number) =>
    Number(
      portAnnotation(service, port, `health-probe_${name}`) ??
        azureAnnotation(service, `azure-load-balancer-health-probe-${name}`) ??
        otherwise,
    );
  return { intervalInSeconds: number("interval", defaultInterval), numberOfProbes: number("num-of-probe", defaultCount) };
}
