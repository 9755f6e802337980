/** Types of resources that nothing is made of: those without an effect on packets, and those with one that is not modelled. */

export type Treatment =
  | { readonly kind: "kept"; readonly why: string }
  | { readonly kind: "not-modelled"; readonly what: string; readonly fix: string }
  | { readonly kind: "unknown" };

const firewallFix =
  "routes to it end there: describe it as a machine with enableIPForwarding and firewall, at its address, in a lab file beside this document";
const firewallRulesFix = "traces know its network rules alone: what only these let through is dropped";
const hostsFix = "put machines of a lab file beside this document in its place";
const gatewayFix = "traces to its frontend end there: ask for its backends instead";

/** By type or its beginning, in lower case, the longest first; what is asked for is the resource as a whole. */
const notModelled: Readonly<Record<string, readonly [what: string, fix: string]>> = {
  "microsoft.network/networkvirtualappliances": ["a managed network virtual appliance", firewallFix],
  "microsoft.network/azurefirewalls/applicationrulecollections": ["application rules of Azure Firewall", firewallRulesFix],
  "microsoft.network/azurefirewalls/natrulecollections": ["NAT rules of Azure Firewall", firewallRulesFix],
  "microsoft.network/applicationgateways": ["Application Gateway", gatewayFix],
  "microsoft.servicenetworking/trafficcontrollers": ["Application Gateway for Containers", gatewayFix],
  "microsoft.network/loadbalancers": ["a load balancer of one's own", gatewayFix],
  "microsoft.network/bastionhosts": ["Azure Bastion", "it takes addresses of its subnet, and its connections to machines are not traced"],
  "microsoft.network/virtualhubs": ["a Virtual WAN hub", "describe what is behind it as sites of a lab file beside this document"],
  "microsoft.network/virtualwans": ["Virtual WAN", "describe what is behind it as sites of a lab file beside this document"],
  "microsoft.network/vpngateways": ["a Virtual WAN gateway", "describe what is behind it as sites of a lab file beside this document"],
  "microsoft.network/expressroutecircuits": [
    "an ExpressRoute circuit",
    "describe what is behind it as sites of a lab file beside this document",
  ],
  "microsoft.network/expressroutegateways": [
    "an ExpressRoute gateway",
    "describe what is behind it as sites of a lab file beside this document",
  ],
  "microsoft.network/networkmanagers": ["Virtual Network Manager", "describe the peerings and rules that it makes"],
  "microsoft.network/privatelinkservices": ["a private link service", "private endpoints stand for the service behind them"],
  "microsoft.network/serviceendpointpolicies": ["a service endpoint policy", "traces let through what it would refuse"],
  "microsoft.network/dnsresolvers": ["DNS Private Resolver", "there is no DNS in a lab"],
  "microsoft.compute/virtualmachinescalesets": ["a scale set of one's own", hostsFix],
  "microsoft.containerinstance/containergroups": ["a container group of one's own", hostsFix],
  "microsoft.redhatopenshift/openshiftclusters": ["Azure Red Hat OpenShift", hostsFix],
  "microsoft.app/managedenvironments": ["a Container Apps environment", hostsFix],
  "microsoft.web/hostingenvironments": ["an App Service Environment", hostsFix],
  "microsoft.apimanagement/service": [
    "API Management",
    "if it is in a subnet, put a machine of a lab file beside this document in its place",
  ],
  "microsoft.sql/managedinstances": ["SQL Managed Instance", hostsFix],
  "microsoft.netapp": ["Azure NetApp Files", hostsFix],
  "microsoft.hdinsight": ["HDInsight", hostsFix],
  "microsoft.databricks": ["Databricks", hostsFix],
  "microsoft.avs": ["Azure VMware Solution", hostsFix],
  // What a Terraform plan has beside resources of Azure's.
  "terraform/templatedeployments": ["a template that Terraform deploys", "name the template beside the plan"],
  "terraform/updates": ["a change to a resource by azapi", "write what it changes in the resource itself"],
  "terraform/kubernetesobjects": [
    "an object of Kubernetes' that Terraform makes",
    "name its manifest beside the plan, for a chart what `helm template` prints",
  ],
};

const outside = "it is outside the lab's networks; what reaches it by a private endpoint is the private endpoint's business";
const noPackets = "no packet's way depends on it";

/** By type or its beginning, in lower case. */
const kept: Readonly<Record<string, string>> = {
  "microsoft.managedidentity": noPackets,
  "microsoft.authorization": noPackets,
  "microsoft.operationalinsights": noPackets,
  "microsoft.operationsmanagement": noPackets,
  "microsoft.insights": noPackets,
  "microsoft.monitor": noPackets,
  "microsoft.alertsmanagement": noPackets,
  "microsoft.dashboard": noPackets,
  "microsoft.portal": noPackets,
  "microsoft.policyinsights": noPackets,
  "microsoft.security": noPackets,
  "microsoft.consumption": noPackets,
  "microsoft.costmanagement": noPackets,
  "microsoft.advisor": noPackets,
  "microsoft.maintenance": noPackets,
  "microsoft.resources": noPackets,
  "terraform/others": "it is of another provider than Azure's",
  "microsoft.automation": noPackets,
  "microsoft.devtestlab": noPackets,
  "microsoft.guestconfiguration": noPackets,
  "microsoft.recoveryservices": noPackets,
  "microsoft.dataprotection": noPackets,
  "microsoft.chaos": noPackets,
  "microsoft.loadtestservice": noPackets,
  "microsoft.managedservices": noPackets,
  "microsoft.management": noPackets,
  "microsoft.kubernetesconfiguration": "it configures what runs in the cluster: name its manifests instead",
  "microsoft.containerservice/managedclusters/": "it changes neither the nodes' nor the pods' network",
  "microsoft.containerservice/fleets": noPackets,
  "microsoft.containerservice/snapshots": noPackets,
  "microsoft.containerregistry": outside,
  "microsoft.keyvault": outside,
  "microsoft.storage": outside,
  "microsoft.sql": outside,
  "microsoft.documentdb": outside,
  "microsoft.dbforpostgresql": outside,
  "microsoft.dbformysql": outside,
  "microsoft.dbformariadb": outside,
  "microsoft.cache": outside,
  "microsoft.servicebus": outside,
  "microsoft.eventhub": outside,
  "microsoft.eventgrid": outside,
  "microsoft.web": outside,
  "microsoft.search": outside,
  "microsoft.cognitiveservices": outside,
  "microsoft.machinelearningservices": outside,
  "microsoft.appconfiguration": outside,
  "microsoft.signalrservice": outside,
  "microsoft.logic": outside,
  "microsoft.datafactory": outside,
  "microsoft.synapse": outside,
  "microsoft.cdn": outside,
  "microsoft.network/frontdoors": outside,
  "microsoft.network/frontdoorwebapplicationfirewallpolicies": outside,
  "microsoft.network/trafficmanagerprofiles": outside,
  "microsoft.network/privatednszones": "there is no DNS in a lab",
  "microsoft.network/dnszones": "there is no DNS in a lab",
  "microsoft.network/privateendpoints/": "there is no DNS in a lab",
  "microsoft.network/networkwatchers": noPackets,
  "microsoft.network/networkintentpolicies": noPackets,
  "microsoft.network/ddosprotectionplans": noPackets,
  "microsoft.network/firewallpolicies/": "part of a firewall policy",
  "microsoft.network/applicationgatewaywebapplicationfirewallpolicies": "the rules of an application gateway, which is named where it is",
  "microsoft.network/routefilters": noPackets,
  "microsoft.compute/disks": noPackets,
  "microsoft.compute/diskencryptionsets": noPackets,
  "microsoft.compute/snapshots": noPackets,
  "microsoft.compute/images": noPackets,
  "microsoft.compute/galleries": noPackets,
  "microsoft.compute/sshpublickeys": noPackets,
  "microsoft.compute/availabilitysets": noPackets,
  "microsoft.compute/proximityplacementgroups": noPackets,
  "microsoft.compute/virtualmachines/": "it runs in the machine",
};

export function treatmentOf(type: string): Treatment {
  const key = type.toLowerCase();
  // Children go with their parents.
  for (let end = key.length; end > 0; end = key.lastIndexOf("/", end - 1)) {
    const beginning = key.slice(0, end);
    const named = Object.hasOwn(notModelled, beginning) ? notModelled[beginning] : undefined;
    // Of a resource that is named, its children are not named again.
    if (named !== undefined)
      return end === key.length ? { kind: "not-modelled", what: named[0], fix: named[1] } : { kind: "kept", why: `part of ${named[0]}` };
    const why = Object.hasOwn(kept, beginning)
      ? kept[beginning]
      : end < key.length && Object.hasOwn(kept, `${beginning}/`)
        ? kept[`${beginning}/`]
        : undefined;
    if (why !== undefined) return { kind: "kept", why };
  }
  return { kind: "unknown" };
}
