/**
 * The kinds that a lab knows, and what it does with the others. A new one is a file beside this and a line here.
 *
 * Of a kind that is not among them: is it Kubernetes' own, then the table below says whether it is kept or refused; is it a custom resource, then
 * its API group decides: groups of network plugins, meshes, gateways and ingress controllers are refused, since their controllers would change
 * where packets go; all others are kept, since their controllers do not run in a lab and so make nothing out of them.
 */

import { words } from "../field.ts";
import { endpointSlice, endpoints } from "./endpoints.ts";
import type { Kind } from "./kind.ts";
import { networkPolicy } from "./network-policy.ts";
import { configMap, namespace, secret, serviceAccount } from "./plain.ts";
import { service } from "./service.ts";
import { daemonSet, deployment, pod, replicaSet, replicationController, statefulSet } from "./workloads.ts";

const kinds: readonly Kind[] = [
  namespace,
  deployment,
  replicaSet,
  replicationController,
  statefulSet,
  daemonSet,
  pod,
  service,
  endpoints,
  endpointSlice,
  networkPolicy,
  configMap,
  secret,
  serviceAccount,
];

const byName = new Map(kinds.map((kind) => [kind.kind, kind]));

/** Namespaces that a cluster has from its first moment. */
export const builtInNamespaces: readonly string[] = ["default", "kube-node-lease", "kube-public", "kube-system"];

export type Treatment =
  | { readonly treatment: "understood"; readonly kind: Kind }
  /** `warning`: who wrote it may expect an effect on the network. */
  | { readonly treatment: "kept"; readonly why: string; readonly warning?: string; readonly fix?: string }
  /** Would have an effect on the network. */
  | { readonly treatment: "refused"; readonly what: string; readonly fix: string }
  /** Not served by the API server. */
  | { readonly treatment: "unknown"; readonly why: string; readonly fix: string };

const storage = "storage; a lab has no volumes";
const access = "access to the API server, which is outside the lab";
const admission = "admission; nothing is changed or refused by it in a lab";
const toTheEnd = "its pods run to their end: a lab is at rest after them";

type Known = { readonly group: string; readonly kind: string } & (
  | { readonly why: string; readonly warning?: string; readonly fix?: string }
  | { readonly refused: string; readonly fix: string }
);

const kept = (group: string, why: string, names: string): Known[] => names.split(" ").map((kind) => ({ group, kind, why }));
const refused = (group: string, kind: string, what: string, fix: string): Known => ({ group, kind, refused: what, fix });

/** As in a cluster that has no ingress controller: nothing comes of it. */
const ingress = (group: string): Known[] => [
  {
    group,
    kind: "Ingress",
    why: "routes of an ingress controller, which does not run in a lab",
    warning: "no ingress controller runs in a lab: nothing comes in by it",
    fix: "trace to the Service behind it; to reach that from outside give it type LoadBalancer",
  },
];

/** Kubernetes' own kinds by group, without version (k8s docs, reference/kubernetes-api). */
const known: readonly Known[] = [
  ...kept("", storage, "PersistentVolumeClaim PersistentVolume"),
  ...kept("", "quota; a lab has room for all pods that its nodes may run", "ResourceQuota LimitRange"),
  ...kept("", "a record", "Event PodTemplate ComponentStatus"),
  refused("", "Node", "a node of one's own", "describe node pools in the lab file"),
  ...kept("apps", "a record", "ControllerRevision"),
  ...kept("batch", toTheEnd, "Job CronJob"),
  ...kept("storage.k8s.io", storage, "StorageClass VolumeAttachment VolumeAttributesClass CSIDriver CSINode CSIStorageCapacity"),
  ...kept("autoscaling", "scaling by load; a lab has none", "HorizontalPodAutoscaler"),
  ...kept("policy", "evictions; a lab has none", "PodDisruptionBudget"),
  ...kept("policy", admission, "PodSecurityPolicy"),
  ...kept("rbac.authorization.k8s.io", access, "Role RoleBinding ClusterRole ClusterRoleBinding"),
  ...kept("scheduling.k8s.io", "preemption; a lab has none", "PriorityClass Workload"),
  ...kept("node.k8s.io", "container runtimes; a lab has stand-ins", "RuntimeClass"),
  ...kept("coordination.k8s.io", "a record", "Lease LeaseCandidate"),
  ...kept("events.k8s.io", "a record", "Event"),
  ...kept("certificates.k8s.io", access, "CertificateSigningRequest ClusterTrustBundle PodCertificateRequest"),
  ...kept("apiextensions.k8s.io", "a kind of objects; what its controller would do is not done", "CustomResourceDefinition"),
  ...kept("apiregistration.k8s.io", access, "APIService"),
  ...kept("flowcontrol.apiserver.k8s.io", access, "FlowSchema PriorityLevelConfiguration"),
  ...kept(
    "admissionregistration.k8s.io",
    admission,
    "MutatingWebhookConfiguration ValidatingWebhookConfiguration ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding MutatingAdmissionPolicy MutatingAdmissionPolicyBinding",
  ),
  ...kept("resource.k8s.io", "devices; a lab has none", "DeviceClass ResourceClaim ResourceClaimTemplate ResourceSlice"),
  ...kept("networking.k8s.io", "a name for an ingress controller; it routes nothing by itself", "IngressClass"),
  ...ingress("networking.k8s.io"),
  refused("networking.k8s.io", "ServiceCIDR", "a further service CIDR", "leave it out"),
  refused("networking.k8s.io", "IPAddress", "reserved Service addresses", "leave it out"),
  ...ingress("extensions"),
  ...kept("extensions", admission, "PodSecurityPolicy"),
];

const knownKinds = new Map(known.map((entry) => [`${entry.group}/${entry.kind}`, entry]));

/** Groups that are Kubernetes' own: a kind that is not in the tables above does not exist there. */
const builtInGroups = new Set([
  ...known.map(({ group }) => group),
  ...kinds.map((kind) => groupOf(kind.apiVersion)),
  "authentication.k8s.io",
  "authorization.k8s.io",
]);

/** Groups whose controllers change where packets go: the group itself, or its end. */
const networkGroups: readonly string[] = words(`
  cilium.io projectcalico.org tigera.io antrea.io k8s.cni.cncf.io k8s.ovn.org kubeovn.io submariner.io metallb.io
  istio.io linkerd.io smi-spec.io kuma.io consul.hashicorp.com openservicemesh.io appmesh.k8s.aws networking.gke.io
  gateway.networking.k8s.io networking.x-k8s.io policy.networking.k8s.io multicluster.x-k8s.io projectcontour.io
  traefik.io traefik.containo.us getambassador.io konghq.com k8s.nginx.org haproxy.org gateway.envoyproxy.io
  acn.azure.com networking.azure.com appgw.ingress.k8s.io approuting.kubernetes.azure.com crd.k8s.amazonaws.com
`);

/** A part of a group's name that says network. */
const networkWords = new Set(["network", "networking", "ingress", "gateway", "mesh", "cni", "servicemesh"]);

export function treatmentOf(apiVersion: string, kind: string): Treatment {
  const group = groupOf(apiVersion);
  const own = byName.get(kind);
  if (own !== undefined && (own.apiVersion === apiVersion || Object.hasOwn(own.removed ?? {}, apiVersion))) {
    return { treatment: "understood", kind: own };
  }
  const entry = knownKinds.get(`${group}/${kind}`);
  if (entry !== undefined) {
    if ("why" in entry) {
      const { group: _group, kind: _kind, ...rest } = entry;
      return { treatment: "kept", ...rest };
    }
    return { treatment: "refused", what: entry.refused, fix: entry.fix };
  }
  if (group.endsWith("kustomize.config.k8s.io") || kind === "Kustomization") {
    return {
      treatment: "unknown",
      why: "a Kustomization is no object",
      fix: "render it first with `kubectl kustomize`, and name the result",
    };
  }
  if (builtInGroups.has(group) || !group.includes(".")) {
    const why = `no matches for kind ${JSON.stringify(kind)} in version ${JSON.stringify(apiVersion)}`;
    return {
      treatment: "unknown",
      why,
      fix: own === undefined ? "kind and apiVersion must be ones that Kubernetes serves" : `use apiVersion: ${own.apiVersion}`,
    };
  }
  if (isNetworkGroup(group)) {
    return { treatment: "refused", what: `${kind} of ${group}`, fix: "leave it out: its controller does not run in a lab" };
  }
  return { treatment: "kept", why: `a custom resource of ${group}; its controller does not run in a lab` };
}

function isNetworkGroup(group: string): boolean {
  if (networkGroups.some((known) => group === known || group.endsWith(`.${known}`))) return true;
  return group.split(".").some((part) => networkWords.has(part));
}

/** `apps/v1` is of group `apps`, `v1` of the core group, which has no name. */
function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf("/");
  return slash < 0 ? "" : apiVersion.slice(0, slash);
}

/** Every kind that has a meaning here, for suggestions. */
export const kindNames: readonly string[] = [...new Set([...kinds.map(({ kind }) => kind), ...known.map(({ kind }) => kind)])];
