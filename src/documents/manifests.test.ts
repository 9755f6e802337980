import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { KubeObject } from "../kube/objects.ts";
import { brief, loadManifest, printed } from "./testing/documents.ts";

const deployment = (spec: string, metadata = "name: d") =>
  `apiVersion: apps/v1\nkind: Deployment\nmetadata: { ${metadata} }\nspec: { ${spec} }\n`;
const selector = "selector: { matchLabels: { a: b } }";
const template = (pod: string) => `template: { metadata: { labels: { a: b } }, spec: { ${pod} } }`;
const pod = (spec: string) => deployment(`${selector}, ${template(spec)}`);
const container = (rest: string) => pod(`containers: [{ name: c, image: i, ${rest} }]`);
const service = (spec: string, metadata = "name: s") => `apiVersion: v1\nkind: Service\nmetadata: { ${metadata} }\nspec: { ${spec} }\n`;
const object = (kind: string, apiVersion = "v1", rest = "") => `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: { name: x }\n${rest}`;
const annotated = (name: string, value = '"true"') =>
  service("type: LoadBalancer, ports: [{ port: 80 }]", `name: s, annotations: { service.beta.kubernetes.io/${name}: ${value} }`);

describe("public manifests load unmodified", () => {
  const folder = "test/fixtures/manifests/";
  for (const name of readdirSync(folder).filter((file) => file.endsWith(".yaml"))) {
    test(name, () => {
      const lab = loadManifest(readFileSync(folder + name, "utf8"));
      expect(printed(lab)).toBe("");
      expect(lab.resources.filter(({ key }) => key.startsWith("/kubernetes/")).length).toBeGreaterThan(3);
      expect(lab.kept).toEqual([]);
    });
  }
});

describe("what charts and exports are made of is read: every field, every kind, lists, anchors, empty documents", () => {
  const folder = "test/fixtures/manifests/made/";
  const text = readdirSync(folder)
    .sort()
    .map((name) => readFileSync(folder + name, "utf8"))
    .join("---\n");
  const lab = loadManifest(text);
  test("nothing is refused", () => {
    expect(lab.problems.map(({ severity, code, path }) => `${severity} ${code} ${path}`)).toEqual([
      "warning NotModelled spec.template.spec.hostAliases",
      "warning NotModelled spec.template.spec.topologySpreadConstraints[1]",
      "warning NoController kind",
    ]);
  });
  test("what changes no packet's way is kept by name", () => {
    const kinds = lab.kept.map(({ kind, name }) => `${kind} ${name}`);
    expect(kinds).toEqual(
      expect.arrayContaining(["Job migrate", "CronJob nightly", "Ingress api", "Widget w", "HorizontalPodAutoscaler api"]),
    );
    for (const { why } of lab.kept) expect(why).toMatch(/\w/);
  });
  test("Windows line ends and a byte order mark change nothing", () => {
    const windows = loadManifest(`\ufeff${text.replaceAll("\n", "\r\n")}`);
    expect(windows.resources.map(({ key }) => key)).toEqual(lab.resources.map(({ key }) => key));
  });
});

/** Each breaks one rule, and is told so once, with Kubernetes' reason. */
const refusals: readonly (readonly [name: string, manifest: string, problem: string])[] = [
  ["no kind", "apiVersion: v1\nmetadata: { name: a }", "FieldValueRequired kind"],
  ["no object", "just text", "NotAnObject "],
  ["a bare list", "- apiVersion: v1", "NotAnObject "],
  ["no metadata", "apiVersion: v1\nkind: ConfigMap", "FieldValueRequired metadata"],
  ["no name", "apiVersion: v1\nkind: ConfigMap\nmetadata: {}", "FieldValueRequired metadata.name"],
  ["a generated name", "apiVersion: v1\nkind: ConfigMap\nmetadata: { generateName: a- }", "FieldValueRequired metadata.name"],
  ["a name with a path", "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: ../a }", "FieldValueInvalid metadata.name"],
  ["a name with a shell", 'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: "a;reboot" }', "FieldValueInvalid metadata.name"],
  [
    "a number for a label",
    deployment(`${selector}, ${template("containers: [{ name: c, image: i }]")}`, "name: d, labels: { version: 1.0 }"),
    "FieldValueTypeInvalid metadata.labels.version",
  ],
  [
    "yes for a label",
    deployment(`${selector}, ${template("containers: [{ name: c, image: i }]")}`, "name: d, labels: { on: yes }"),
    "FieldValueTypeInvalid metadata.labels.on",
  ],
  ["an unknown kind", object("Deplyoment", "apps/v1"), "NoKindMatch kind"],
  ["an old version", pod("containers: [{ name: c, image: i }]").replace("apps/v1", "extensions/v1beta1"), "NoKindMatch apiVersion"],
  ["a Kustomization", "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]", "NoKindMatch kind"],
  ["an unknown namespace", object("ConfigMap").replace("name: x", "name: x, namespace: shop"), "NotFound metadata.namespace"],
  ["no spec", object("Deployment", "apps/v1"), "FieldValueRequired spec"],
  ["no selector", deployment(template("containers: [{ name: c, image: i }]")), "FieldValueRequired spec.selector"],
  [
    "another selector",
    deployment(`selector: { matchLabels: { a: c } }, ${template("containers: [{ name: c, image: i }]")}`),
    "FieldValueInvalid spec.template.metadata.labels",
  ],
  ["an empty selector", deployment(`selector: {}, ${template("containers: [{ name: c, image: i }]")}`), "FieldValueInvalid spec.selector"],
  ["no template", deployment(selector), "FieldValueRequired spec.template"],
  [
    "negative replicas",
    deployment(`replicas: -1, ${selector}, ${template("containers: [{ name: c, image: i }]")}`),
    "FieldValueInvalid spec.replicas",
  ],
  [
    "quoted replicas",
    deployment(`replicas: "3", ${selector}, ${template("containers: [{ name: c, image: i }]")}`),
    "FieldValueTypeInvalid spec.replicas",
  ],
  [
    "a billion replicas",
    deployment(`replicas: 1000000000, ${selector}, ${template("containers: [{ name: c, image: i }]")}`),
    "LabTooLarge spec.replicas",
  ],
  ["no containers", pod("containers: []"), "FieldValueRequired spec.template.spec.containers"],
  ["no image", pod("containers: [{ name: c }]"), "FieldValueRequired spec.template.spec.containers[0].image"],
  [
    "two containers of a name",
    pod("containers: [{ name: c, image: i }, { name: c, image: i }]"),
    "FieldValueDuplicate spec.template.spec.containers[1].name",
  ],
  ["port 0", container("ports: [{ containerPort: 0 }]"), "FieldValueInvalid spec.template.spec.containers[0].ports[0].containerPort"],
  [
    "a long port name",
    container("ports: [{ containerPort: 80, name: sixteen-letters-x }]"),
    "FieldValueInvalid spec.template.spec.containers[0].ports[0].name",
  ],
  [
    "an unknown protocol",
    container("ports: [{ containerPort: 80, protocol: tcp }]"),
    "FieldValueNotSupported spec.template.spec.containers[0].ports[0].protocol",
  ],
  ["SCTP", container("ports: [{ containerPort: 80, protocol: SCTP }]"), "NotModelled spec.template.spec.containers[0].ports[0].protocol"],
  [
    "a number as environment",
    container("env: [{ name: A, value: 80 }]"),
    "FieldValueTypeInvalid spec.template.spec.containers[0].env[0].value",
  ],
  [
    "a restart policy",
    pod("restartPolicy: Never, containers: [{ name: c, image: i }]"),
    "FieldValueNotSupported spec.template.spec.restartPolicy",
  ],
  [
    "a toleration of nothing",
    pod("tolerations: [{ effect: NoSchedule }], containers: [{ name: c, image: i }]"),
    "FieldValueInvalid spec.template.spec.tolerations[0].operator",
  ],
  [
    "Multus",
    object("Pod", "v1", "spec: { containers: [{ name: c, image: i }] }").replace(
      "name: x",
      "name: x, annotations: { k8s.v1.cni.cncf.io/networks: n }",
    ),
    'NotModelled metadata.annotations["k8s.v1.cni.cncf.io/networks"]',
  ],
  ["a Service without ports", service("selector: { a: b }"), "FieldValueRequired spec.ports"],
  ["a Service's name", service("ports: [{ port: 80 }]", "name: 1s"), "FieldValueInvalid metadata.name"],
  ["port 65536", service("ports: [{ port: 65536 }]"), "FieldValueInvalid spec.ports[0].port"],
  ["two ports without names", service("ports: [{ port: 80, name: a }, { port: 81 }]"), "FieldValueRequired spec.ports[1].name"],
  ["a port twice", service("ports: [{ port: 80, name: a }, { port: 80, name: b }]"), "FieldValueDuplicate spec.ports[1].port"],
  ["a node port out of range", service("type: NodePort, ports: [{ port: 80, nodePort: 80 }]"), "FieldValueInvalid spec.ports[0].nodePort"],
  ["a node port of a ClusterIP", service("ports: [{ port: 80, nodePort: 30000 }]"), "FieldValueForbidden spec.ports[0].nodePort"],
  ["an address outside", service("clusterIP: 10.1.0.5, ports: [{ port: 80 }]"), "FieldValueInvalid spec.clusterIP"],
  ["the address of DNS", service("clusterIP: 10.0.0.10, ports: [{ port: 80 }]"), "FieldValueInvalid spec.clusterIP"],
  ["the address of the API server", service("clusterIP: 10.0.0.1, ports: [{ port: 80 }]"), "FieldValueInvalid spec.clusterIP"],
  ["no address", service("clusterIP: web, ports: [{ port: 80 }]"), "FieldValueInvalid spec.clusterIP"],
  ["a headless NodePort", service("type: NodePort, clusterIP: None, ports: [{ port: 80 }]"), "FieldValueInvalid spec.clusterIP"],
  [
    "an affinity too long",
    service("sessionAffinity: ClientIP, sessionAffinityConfig: { clientIP: { timeoutSeconds: 86401 } }, ports: [{ port: 80 }]"),
    "FieldValueInvalid spec.sessionAffinityConfig.clientIP.timeoutSeconds",
  ],
  [
    "an affinity of None",
    service("sessionAffinityConfig: { clientIP: { timeoutSeconds: 5 } }, ports: [{ port: 80 }]"),
    "FieldValueForbidden spec.sessionAffinityConfig",
  ],
  ["Local for a ClusterIP", service("externalTrafficPolicy: Local, ports: [{ port: 80 }]"), "FieldValueInvalid spec.externalTrafficPolicy"],
  ["a type", service("type: Loadbalancer, ports: [{ port: 80 }]"), "FieldValueNotSupported spec.type"],
  [
    "ranges of a ClusterIP",
    service("loadBalancerSourceRanges: [10.0.0.0/8], ports: [{ port: 80 }]"),
    "FieldValueForbidden spec.loadBalancerSourceRanges",
  ],
  ["IPv6", service("ipFamilies: [IPv6], ports: [{ port: 80 }]"), "FieldValueInvalid spec.ipFamilies[0]"],
  ["dual stack", service("ipFamilyPolicy: RequireDualStack, ports: [{ port: 80 }]"), "FieldValueInvalid spec.ipFamilyPolicy"],
  [
    "another load balancer",
    service("type: LoadBalancer, loadBalancerClass: x/y, ports: [{ port: 80 }]"),
    "NotModelled spec.loadBalancerClass",
  ],
  ["no external name", service("type: ExternalName"), "FieldValueRequired spec.externalName"],
  [
    "two Services of an address",
    `${service("clusterIP: 10.0.0.50, ports: [{ port: 80 }]")}---\n${service("clusterIP: 10.0.0.50, ports: [{ port: 80 }]", "name: t")}`,
    "FieldValueInvalid spec.clusterIP",
  ],
  [
    "two Services of a node port",
    `${service("type: NodePort, ports: [{ port: 80, nodePort: 30080 }]")}---\n${service("type: NodePort, ports: [{ port: 80, nodePort: 30080 }]", "name: t")}`,
    "FieldValueInvalid spec.ports[0].nodePort",
  ],
  ["two objects of a name", `${service("ports: [{ port: 80 }]")}---\n${service("ports: [{ port: 81 }]")}`, "AlreadyExists metadata.name"],
  [
    "a probe's path that is none",
    annotated("azure-load-balancer-health-probe-request-path", "healthz"),
    'FieldValueInvalid metadata.annotations["service.beta.kubernetes.io/azure-load-balancer-health-probe-request-path"]',
  ],
  [
    "a probe that takes too long",
    annotated("azure-load-balancer-health-probe-interval", '"60"'),
    'FieldValueInvalid metadata.annotations["service.beta.kubernetes.io/azure-load-balancer-health-probe-interval"]',
  ],
  [
    "a probe of a port that is not there",
    annotated("port_80_health-probe_port", "admin"),
    'FieldValueInvalid metadata.annotations["service.beta.kubernetes.io/port_80_health-probe_port"]',
  ],
  [
    "a setting of a port that there is not",
    annotated("port_80_health-probe_protocl", "http"),
    'UnknownField metadata.annotations["service.beta.kubernetes.io/port_80_health-probe_protocl"]',
  ],
  [
    "a misspelled annotation",
    annotated("azure-load-balancer-internl"),
    'UnknownField metadata.annotations["service.beta.kubernetes.io/azure-load-balancer-internl"]',
  ],
  [
    "an annotation that is no text",
    annotated("azure-load-balancer-internal", "true"),
    'FieldValueTypeInvalid metadata.annotations["service.beta.kubernetes.io/azure-load-balancer-internal"]',
  ],
  ["a Secret that is no base64", object("Secret", "v1", "data: { a: b! }"), "FieldValueInvalid data.a"],
  ["an EndpointSlice of nothing", object("EndpointSlice", "discovery.k8s.io/v1"), "FieldValueRequired addressType"],
  [
    "an endpoint of the other family",
    object("EndpointSlice", "discovery.k8s.io/v1", 'addressType: IPv4\nendpoints: [{ addresses: ["fd00::1"] }]'),
    "FieldValueInvalid endpoints[0].addresses[0]",
  ],
  [
    "an endpoint that is everybody's own",
    object("Endpoints", "v1", "subsets: [{ addresses: [{ ip: 127.0.0.1 }], ports: [{ port: 80 }] }]"),
    "FieldValueInvalid subsets[0].addresses[0].ip",
  ],
  [
    "a ReplicationController that does not pick its own pods",
    object(
      "ReplicationController",
      "v1",
      "spec: { selector: { app: a }, template: { metadata: { labels: { app: b } }, spec: { containers: [{ name: m, image: any }] } } }",
    ),
    "FieldValueInvalid spec.template.metadata.labels",
  ],
  ["a ConfigMap of numbers", object("ConfigMap", "v1", "data: { a: 5 }"), "FieldValueTypeInvalid data.a"],
  ...(
    [
      ["Node", "v1"],
      ["Gateway", "gateway.networking.k8s.io/v1"],
      ["VirtualService", "networking.istio.io/v1"],
      ["CiliumNetworkPolicy", "cilium.io/v2"],
      ["GlobalNetworkPolicy", "crd.projectcalico.org/v1"],
      ["IPAddressPool", "metallb.io/v1beta1"],
      ["Widget", "gateway.example.com/v1"],
    ] as const
  ).map(([kind, apiVersion]) => [`a ${kind}`, object(kind, apiVersion), "NotModelled kind"] as const),
];

/** The API server's own words (k8s, pkg/apis/networking/validation; apimachinery, field errors). */
describe("network policies that the API server refuses", () => {
  const policy = (spec: string) =>
    `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: { name: p }\nspec: { podSelector: {}, ${spec} }`;
  const port = (text: string) => policy(`ingress: [{ ports: [${text}] }]`);
  const from = (text: string) => policy(`ingress: [{ from: [${text}] }]`);
  const cases: readonly (readonly [manifest: string, message: string])[] = [
    [port("{ port: 80, endPort: 79 }"), "spec.ingress[0].ports[0].endPort: Invalid value: 79: must be greater than or equal to `port`"],
    [
      port("{ port: http, endPort: 81 }"),
      "spec.ingress[0].ports[0].endPort: Invalid value: 81: may not be specified when `port` is non-numeric",
    ],
    [port("{ endPort: 81 }"), "spec.ingress[0].ports[0].endPort: Invalid value: 81: may not be specified when `port` is not specified"],
    [port("{ port: 0 }"), "spec.ingress[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"],
    [port('{ port: "80" }'), 'spec.ingress[0].ports[0].port: Invalid value: "80": must contain at least one letter (a-z)'],
    [port("{ protocol: ICMP }"), 'spec.ingress[0].ports[0].protocol: Unsupported value: "ICMP": supported values: "TCP", "UDP", "SCTP"'],
    [from("{}"), "spec.ingress[0].from[0]: Required value: must specify a peer"],
    [
      from("{ podSelector: {}, ipBlock: { cidr: 10.0.0.0/8 } }"),
      "spec.ingress[0].from[0]: Forbidden: may not specify both ipBlock and another peer",
    ],
    [
      policy("egress: [{ to: [{ ipBlock: { cidr: 10.0.0.0/8, except: [10.0.0.0/8] } }] }]"),
      'spec.egress[0].to[0].ipBlock.except[0]: Invalid value: "10.0.0.0/8": must be a strict subset of `cidr`',
    ],
    [
      from("{ ipBlock: { cidr: ten } }"),
      'spec.ingress[0].from[0].ipBlock.cidr: Invalid value: "ten": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
    ],
    [from("{ ipBlock: {} }"), "spec.ingress[0].from[0].ipBlock.cidr: Required value: an address range is missing"],
    [
      from("{ podSelector: { matchExpressions: [{ key: a, operator: Is }] } }"),
      'spec.ingress[0].from[0].podSelector.matchExpressions[0].operator: Invalid value: "Is": not a valid selector operator',
    ],
    [policy("policyTypes: [Inbound]"), 'spec.policyTypes[0]: Unsupported value: "Inbound": supported values: "Ingress", "Egress"'],
    [policy("policyTypes: [Ingress, Egress, Ingress]"), "spec.policyTypes: Invalid value: may not specify more than two policyTypes"],
  ];
  for (const [manifest, message] of cases) {
    test(message, () => {
      const errors = loadManifest(manifest).problems.filter(({ severity }) => severity === "error");
      expect(errors.map(({ path, message: text }) => `${path}: ${text}`)).toEqual([expect.stringContaining(message)]);
    });
  }
});

describe("refused, once, by name", () => {
  for (const [name, manifest, problem] of refusals) {
    test(name, () => {
      const lab = loadManifest(manifest);
      const errors = lab.problems.filter(({ severity }) => severity === "error");
      expect(errors.map(({ code, path }) => `${code} ${path}`)).toEqual([problem]);
      expect(errors[0]).toMatchObject({ file: "m.yaml" });
      expect(errors[0]?.line).toBeGreaterThan(0);
      expect(lab.resources).toEqual([]);
    });
  }
});

describe("kept, with the reason", () => {
  const kept: readonly (readonly [kind: string, apiVersion: string])[] = [
    ["PersistentVolumeClaim", "v1"],
    ["StorageClass", "storage.k8s.io/v1"],
    ["HorizontalPodAutoscaler", "autoscaling/v2"],
    ["PodDisruptionBudget", "policy/v1"],
    ["ClusterRoleBinding", "rbac.authorization.k8s.io/v1"],
    ["CustomResourceDefinition", "apiextensions.k8s.io/v1"],
    ["Job", "batch/v1"],
    ["CronJob", "batch/v1"],
    ["IngressClass", "networking.k8s.io/v1"],
    ["ServiceMonitor", "monitoring.coreos.com/v1"],
    ["Kafka", "kafka.strimzi.io/v1beta2"],
  ];
  for (const [kind, apiVersion] of kept) {
    test(kind, () => {
      const lab = loadManifest(object(kind, apiVersion));
      expect(printed(lab)).toBe("");
      expect(lab.kept).toEqual([{ file: "m.yaml", line: 1, kind, name: "x", why: expect.stringMatching(/\w/) }]);
      expect(lab.resources.some(({ key }) => key.includes(kind))).toBe(false);
    });
  }
  test("a pod that runs to its end", () => {
    const lab = loadManifest(object("Pod", "v1", "spec: { restartPolicy: Never, containers: [{ name: c, image: i }] }"));
    expect([printed(lab), lab.kept[0]?.kind]).toEqual(["", "Pod"]);
  });
  test("an exported object that another one makes", () => {
    const owned = object("Pod", "v1", "spec: { containers: [{ name: c, image: i }] }").replace(
      "name: x",
      "name: x, ownerReferences: [{ apiVersion: apps/v1, kind: ReplicaSet, name: r, uid: u, controller: true }]",
    );
    expect(loadManifest(owned).kept[0]?.why).toContain("ReplicaSet r");
  });
  test("the API server's own Service, in an export", () => {
    const lab = loadManifest(service("clusterIP: 10.0.0.1, ports: [{ port: 443 }]", "name: kubernetes"));
    expect([printed(lab), lab.kept.map(({ kind, name }) => `${kind} ${name}`)]).toEqual(["", ["Service kubernetes"]]);
    expect(lab.resources.some(({ key }) => key.includes("/Service/"))).toBe(false);
  });
});

describe("warned of, and brought up", () => {
  const warnings: readonly (readonly [name: string, manifest: string, problem: string])[] = [
    [
      "a misspelled field",
      deployment(`replica: 3, ${selector}, ${template("containers: [{ name: c, image: i }]")}`),
      "UnknownField spec.replica",
    ],
    [
      "a port that nobody declares",
      `${container("ports: [{ containerPort: 8080 }]")}---\n${service("selector: { a: b }, ports: [{ port: 80 }]")}`,
      "NobodyListens spec.ports[0]",
    ],
    [
      "a required anti-affinity",
      pod(
        "affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: kubernetes.io/hostname }] } }, containers: [{ name: c, image: i }]",
      ),
      "NotModelled spec.template.spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution",
    ],
    [
      "names of a pod's own",
      pod("hostAliases: [{ ip: 1.2.3.4, hostnames: [a] }], containers: [{ name: c, image: i }]"),
      "NotModelled spec.template.spec.hostAliases",
    ],
    ["an Ingress", object("Ingress", "networking.k8s.io/v1"), "NoController kind"],
    [
      "a masquerade configuration that is ignored",
      "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: azure-ip-masq-agent-config, namespace: kube-system }\ndata: { ip-masq-agent: 'nonMasqueradeCIDRs: [ten]' }",
      "FieldValueInvalid data",
    ],
  ];
  for (const [name, manifest, problem] of warnings) {
    test(name, () => {
      const lab = loadManifest(manifest);
      expect(lab.problems.map(({ severity, code, path }) => `${severity} ${code} ${path}`)).toEqual([`warning ${problem}`]);
      expect(lab.resources.length).toBeGreaterThan(0);
    });
  }
  test("a network policy that nobody enforces", () => {
    const lab = loadManifest("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: { name: p }\nspec: { podSelector: {} }");
    expect(printed(lab)).toContain("kept, no effect on the network: the cluster has no network policy engine");
    expect(lab.resources.map(({ key }) => key)).toContainEqual(expect.stringContaining("/NetworkPolicy/"));
  });
  test("says what was probably meant", () => {
    expect(printed(loadManifest(warnings[0]?.[1] ?? ""))).toContain('did you mean "replicas"?');
  });
});

describe("objects as the API server completes them", () => {
  const only = (manifest: string): KubeObject => {
    const lab = loadManifest(manifest);
    expect(printed(lab)).toBe("");
    const found = lab.resources.map(({ value }) => value).find((value): value is KubeObject => "kind" in value);
    if (found === undefined) throw new Error("no object");
    return found;
  };
  test("a Service", () => {
    expect(only(service("selector: { a: b }, ports: [{ port: 80 }]"))).toEqual({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "s", namespace: "default" },
      spec: {
        type: "ClusterIP",
        selector: { a: "b" },
        ports: [{ port: 80, protocol: "TCP", targetPort: 80 }],
        sessionAffinity: "None",
        internalTrafficPolicy: "Cluster",
      },
    });
  });
  test("a Namespace", () => {
    const manifest = "apiVersion: v1\nkind: Namespace\nmetadata: { name: shop, labels: { team: a } }";
    expect(only(manifest).metadata.labels).toEqual({ team: "a", "kubernetes.io/metadata.name": "shop" });
  });
  test("a Service of type LoadBalancer with affinity", () => {
    expect(only(service("type: LoadBalancer, sessionAffinity: ClientIP, ports: [{ port: 80, targetPort: http }]"))).toMatchObject({
      spec: {
        ports: [{ targetPort: "http" }],
        externalTrafficPolicy: "Cluster",
        allocateLoadBalancerNodePorts: true,
        sessionAffinityConfig: { clientIP: { timeoutSeconds: 10_800 } },
      },
    });
  });
  test("a Deployment, exported", () => {
    const exported = container("ports: [{ containerPort: 80 }]").replace(
      "name: d",
      "name: d, uid: u, resourceVersion: '5', creationTimestamp: null, generation: 2",
    );
    expect(only(`${exported}status: { replicas: 3 }\n`)).toEqual({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "d", namespace: "default" },
      spec: {
        replicas: 1,
        selector: { matchLabels: { a: "b" } },
        template: {
          metadata: { labels: { a: "b" } },
          spec: { containers: [{ name: "c", image: "i", ports: [{ containerPort: 80, protocol: "TCP" }] }] },
        },
      },
    });
  });
  test("with host networking, container ports are host ports", () => {
    expect(only(pod("hostNetwork: true, containers: [{ name: c, image: i, ports: [{ containerPort: 80 }] }]"))).toMatchObject({
      spec: { template: { spec: { containers: [{ ports: [{ containerPort: 80, hostPort: 80 }] }] } } },
    });
  });
  test("an old version in the lesson's days", () => {
    const old = deployment("template: { metadata: { labels: { a: b } }, spec: { containers: [{ name: c, image: i }] } }").replace(
      "apps/v1",
      "extensions/v1beta1",
    );
    expect(brief(loadManifest(old)).length).toBeGreaterThan(0);
    const lab = loadManifest(old, ", kubernetesVersion: 1.15");
    expect(printed(lab)).toBe("");
    expect(lab.resources.at(-1)?.value).toMatchObject({ apiVersion: "apps/v1", spec: { selector: { matchLabels: { a: "b" } } } });
  });
  test("lists, typed and untyped, and JSON", () => {
    const items = [
      { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" } },
      { apiVersion: "v1", kind: "Namespace", metadata: { name: "n" } },
    ];
    const keys = (text: string) =>
      loadManifest(text)
        .resources.map(({ key }) => key)
        .filter((key) => key.startsWith("/k"));
    expect(keys(JSON.stringify({ apiVersion: "v1", kind: "List", items }, null, "\t"))).toEqual([
      "/kubernetes/c/ConfigMap/default/a",
      "/kubernetes/c/Namespace//n",
    ]);
    expect(keys(JSON.stringify({ apiVersion: "v1", kind: "ConfigMapList", items: [{ metadata: { name: "b" } }] }))).toEqual([
      "/kubernetes/c/ConfigMap/default/b",
    ]);
  });
  test("the same object twice is one", () => {
    const text = service("ports: [{ port: 80 }]");
    expect(printed(loadManifest(`${text}---\n${text}`))).toBe("");
  });
  test("Windows line ends and a byte-order mark", () => {
    expect(printed(loadManifest(`\uFEFF${service("ports: [{ port: 80 }]").replaceAll("\n", "\r\n")}`))).toBe("");
  });
});
