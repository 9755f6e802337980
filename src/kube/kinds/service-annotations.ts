/**
 * Annotations by which a Service speaks to Azure (cloud-provider-azure, content/en/topics/loadbalancer.md; pkg/consts/consts.go). Those that change
 * packets and are not modelled are refused; those of other clouds do nothing on Azure.
 */

import { parseAddress } from "../../net/address.ts";
import type { Field } from "../field.ts";

const prefix = "service.beta.kubernetes.io/";

type Rule = "understood" | "no effect" | { readonly what: string; readonly fix: string };

const leaveOut = "leave the annotation out";
const refused = (what: string, fix = leaveOut): Rule => ({ what, fix });
const probe = refused(
  "a health probe of one's own settings",
  "leave the annotation out: the probe asks the node port, or the health-check node port",
);

const rules: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ["azure-load-balancer-internal", "understood"],
  ["azure-load-balancer-internal-subnet", "understood"],
  ["azure-load-balancer-ipv4", "understood"],
  ["azure-load-balancer-tcp-idle-timeout", "understood"],
  ["azure-load-balancer-resource-group", "no effect"],
  ["azure-dns-label-name", "no effect"],
  ["azure-pip-tags", "no effect"],
  ["azure-load-balancer-mode", "no effect"],
  ["azure-shared-securityrule", "no effect"],
  ["azure-load-balancer-disable-tcp-reset", "no effect"],
  ["azure-load-balancer-ipv6", refused("IPv6")],
  ["azure-pip-name", refused("a public address of one's own", "leave the annotation out, and one is made")],
  ["azure-pip-name-ipv6", refused("IPv6")],
  ["azure-pip-prefix-id", refused("a public address prefix", "leave the annotation out, and an address is made")],
  ["azure-pip-prefix-id-ipv6", refused("IPv6")],
  ["azure-pip-ip-tags", refused("routing preference of a public address")],
  ["azure-allowed-service-tags", refused("network security groups", "use spec.loadBalancerSourceRanges")],
  ["azure-allowed-ip-ranges", refused("network security groups", "use spec.loadBalancerSourceRanges")],
  ["azure-deny-all-except-load-balancer-source-ranges", refused("network security groups", "use spec.loadBalancerSourceRanges")],
  ["azure-load-balancer-health-probe-protocol", probe],
  ["azure-load-balancer-health-probe-interval", probe],
  ["azure-load-balancer-health-probe-num-of-probe", probe],
  ["azure-load-balancer-health-probe-request-path", probe],
  ["azure-load-balancer-enable-high-availability-ports", refused("a rule for all ports")],
  ["azure-disable-load-balancer-floating-ip", refused("a load balancer without floating IP")],
  ["azure-additional-public-ips", refused("further public addresses")],
  ["azure-load-balancer-configurations", refused("several standard load balancers")],
  ["azure-pls-create", refused("a private link service")],
]);

export function checkServiceAnnotations(annotations: Field): void {
  for (const [key, field] of annotations.entries()) {
    if (!key.startsWith(prefix)) continue;
    const name = key.slice(prefix.length);
    const rule = rules.get(name);
    if (rule === "no effect") continue;
    if (rule === "understood") checkValue(name, field);
    else if (rule !== undefined) {
      const isOff = field.value === "false" || field.value === "";
      if (!isOff) field.notModelled(rule.what, rule.fix);
    } else if (/^port_\d+_/.test(name)) field.notModelled("settings for one port of the load balancer", leaveOut);
    else if (name.startsWith("azure-pls-")) field.notModelled("a private link service", leaveOut);
    else if (name.startsWith("azure-")) {
      field.report("UnknownField", `Azure knows no annotation ${JSON.stringify(key)}`, {
        known: [...rules.keys()].map((known) => prefix + known),
      });
    }
  }
}

function checkValue(name: string, field: Field): void {
  const text = field.value;
  if (typeof text !== "string") return;
  if (name === "azure-load-balancer-internal" && !/^(true|false)$/i.test(text)) {
    field.report("FieldValueInvalid", 'must be "true" or "false"');
  }
  if (name === "azure-load-balancer-ipv4" && (parseAddress(text) === undefined || text.includes(":"))) {
    field.report("FieldValueInvalid", "must be an IPv4 address");
  }
  if (name === "azure-load-balancer-tcp-idle-timeout") {
    const minutes = Number(text);
    const source =
      "cloud-provider-azure, pkg/provider/azure_loadbalancer.go (30); AKS docs, configure-load-balancer-standard.md (30, later 100)";
    if (!/^\d+$/.test(text) || minutes < 4 || minutes > 100) {
      field.report("FieldValueInvalid", "idle timeout value must be a whole number representing minutes between 4 and 30", { source });
    } else if (minutes > 30) {
      field.report("FieldValueInvalid", "an idle timeout of more than 30 minutes is refused by some versions of Azure's cloud provider", {
        severity: "warning",
        source,
      });
    }
  }
}
