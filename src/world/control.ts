/**
 * The daemon's side of the control socket. Who can reach it: only the user whose lab it is (and root), since the socket is in a folder with mode
 * 0700; that is the credential. It is never a TCP port.
 */

import { chmodSync } from "node:fs";
import { createServer } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { Hono } from "hono";
import { stream } from "hono/streaming";
import { faultText } from "../arm/faults.ts";
import type { AgentPool, LoadBalancer } from "../arm/resources.ts";
import { reclaimedMark } from "../compile/load-balancer/outbound.ts";
import { topologyOf } from "../compile/topology.ts";
import type { Problem } from "../documents/index.ts";
import { connections, within } from "../kernel/index.ts";
import type { Event, Node } from "../kube/objects.ts";
import { holdsPort, snatShares } from "../lab/snat.ts";
import type { Address } from "../net/address.ts";
import { protocolNumbers } from "../net/ports.ts";
import { armBucket, armKey, type Key, kubeBucket, type Resource, type Resources } from "../resources/resources.ts";
import type { DaemonInfo } from "./client.ts";
import { clusterNames, type Daemon, faultsOf, findPool, isReady, podsOf } from "./daemon.ts";
import { say } from "./log.ts";
import { observe } from "./observe.ts";
import { probe } from "./probe.ts";
import type { ApplyLine, Entry, Flows, ProbeLine, SnatUse, Status } from "./protocol.ts";
import { applyRequest, bodyOf, faultNames, faultRequest, observeRequest, probeRequests, Refused, scaleRequest } from "./requests.ts";
import { socketName } from "./state.ts";
import { type Trouble, troubleOf } from "./trouble.ts";

/** 507 is WebDAV's Insufficient Storage (RFC 4918). */
const statuses = { request: 400, "not-found": 404, failed: 500, environment: 507 } as const satisfies Record<Trouble["code"], number>;

/** Probes under way at once. */
const probesAtOnce = 256;

/** Listens on `control.sock` in the current folder: the lab's, whose path may be too long for a socket address. */
export async function serveControl(daemon: Daemon, lab: string, info: DaemonInfo, end: () => void): Promise<void> {
  const app = new Hono();

  app.get("/v1/status", (context) => context.json(statusOf(daemon, lab, info)));

  app.get("/v1/resources", (context) =>
    stream(context, async (out) => {
      for (const lines of resourceLines(daemon)) await out.write(lines);
    }),
  );

  /** After a change, of which `problems` were found: tells how it goes until the lab is at rest. */
  const follow = (problems: readonly Problem[]) => async (out: { write(text: string): Promise<unknown> }) => {
    const line = (value: ApplyLine) => out.write(`${JSON.stringify(value)}\n`);
    if (problems.length > 0) await line({ problems });
    if (problems.some((problem) => problem.severity === "error")) return;
    const stop = daemon.onProgress((progress) => void line({ progress }));
    await daemon.settled();
    stop();
    await line({ progress: daemon.progress("done") });
    await line({ done: true, ...(daemon.failure === undefined ? {} : { failure: daemon.failure }) });
  };

  app.post("/v1/apply", async (context) => {
    const documents = await bodyOf(applyRequest, context.req);
    return stream(context, follow(daemon.applyDocuments(documents)));
  });

  app.post("/v1/scale", async (context) => {
    const { pool, cluster, count } = await bodyOf(scaleRequest, context.req);
    const found = findPool(daemon.resources, pool, cluster);
    if (found === "none") throw new Refused("not-found", `there is no pool ${cluster === undefined ? pool : `${cluster}/${pool}`}`);
    if (found === "several") throw new Refused("request", `several clusters have a pool ${pool}`, "say which one: cluster");
    return stream(context, follow(daemon.scale(found, count)));
  });

  app.post("/v1/faults", async (context) => {
    const fault = await bodyOf(faultRequest, context.req);
    const { kind, until: _until, ...targets } = fault.properties;
    for (const target of Object.values(targets)) {
      if (typeof target === "string" || isThere(daemon.resources, target.id)) continue;
      throw new Refused("not-found", `fault ${fault.name}: the lab has no ${target.id} for a fault of kind ${kind}`);
    }
    daemon.write([{ key: armKey(fault.id), value: fault }]);
    return stream(context, follow([]));
  });

  app.post("/v1/faults/remove", async (context) => {
    const names = await bodyOf(faultNames, context.req);
    const known = new Map(faultsOf(daemon.resources).map((fault) => [fault.name, fault]));
    const writes = names.map((name) => {
      const fault = known.get(name);
      if (fault === undefined) throw new Refused("not-found", `there is no fault ${name}`);
      return { key: armKey(fault.id), value: undefined };
    });
    daemon.write(writes);
    return stream(context, follow([]));
  });

  app.get("/v1/settled", (context) => stream(context, follow([])));

  app.post("/v1/probe", async (context) => {
    const requests = await bodyOf(probeRequests, context.req);
    return stream(context, async (out) => {
      let next = 0;
      const worker = async () => {
        for (let index = next++; index < requests.length; index = next++) {
          const request = requests[index];
          if (request === undefined) return;
          const line: ProbeLine = { index, result: await probe(within, request) };
          await out.write(`${JSON.stringify(line)}\n`);
        }
      };
      await Promise.all(Array.from({ length: Math.min(probesAtOnce, requests.length) }, worker));
    });
  });

  app.post("/v1/observe", async (context) => context.json(await observe(within, await bodyOf(observeRequest, context.req))));

  app.get("/v1/flows", (context) => {
    const wanted = context.req.query("host");
    const hosts = (daemon.network?.names() ?? []).filter(
      (name) => (wanted === undefined || name === wanted) && (daemon.network?.host(name)?.ruleSet.length ?? 0) > 0,
    );
    return context.json(hosts.map((host): Flows => ({ host, connections: connections(host) })));
  });

  app.get("/v1/snat", (context) => context.json(snatUse(daemon)));

  app.get("/v1/observed", (context) => {
    const host = context.req.query("host") ?? "";
    if (daemon.network?.host(host) === undefined) throw new Refused("not-found", `there is no host ${host}`);
    return context.json(daemon.observed(host));
  });

  app.post("/v1/stop", (context) => {
    setImmediate(end);
    return context.json({ stopping: true });
  });

  app.onError((error, context) => {
    const trouble = error instanceof Refused ? error.trouble : troubleOf(error);
    if (trouble.code === "failed") say(`drydock: ${error.stack ?? error.message}`);
    return context.json(trouble, statuses[trouble.code]);
  });

  const answer = getRequestListener(app.fetch);
  const server = createServer({ requestTimeout: 0, headersTimeout: 10_000 }, (request, response) => void answer(request, response));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(socketName, resolve);
  });
  chmodSync(socketName, 0o600);
  daemon.wake();
}

/** A probe is a part of its load balancer. */
function isThere(resources: Resources, id: string): boolean {
  if (resources.get(armKey(id)) !== undefined) return true;
  const [balancer, probe] = armKey(id).split("/probes/");
  const found = resources.get(balancer ?? "");
  return (
    found !== undefined &&
    "type" in found &&
    found.type === "Microsoft.Network/loadBalancers" &&
    found.properties.probes.some(({ name }) => name.toLowerCase() === probe)
  );
}

function* resourceLines(daemon: Daemon): Generator<string> {
  for (const bucket of daemon.resources.buckets()) {
    const lines = daemon.resources.list(bucket).map((value) => JSON.stringify({ key: keyOf(bucket, value), value } satisfies Entry));
    if (lines.length > 0) yield `${lines.join("\n")}\n`;
  }
}

function keyOf(bucket: string, value: Resource): Key {
  if ("id" in value) return armKey(value.id);
  return `${bucket}/${value.metadata.namespace ?? ""}/${value.metadata.name}`;
}

function statusOf(daemon: Daemon, lab: string, info: DaemonInfo): Status {
  const { resources } = daemon;
  const clusters = clusterNames(resources).map((name) => {
    const nodes = resources.list(kubeBucket(name, "Node")) as unknown as readonly Node[];
    const pods = podsOf(resources, name);
    const pools = (
      resources.list(armBucket("Microsoft.ContainerService/managedClusters/agentPools")) as unknown as readonly AgentPool[]
    ).filter((pool) => pool.id.toLowerCase().includes(`/managedclusters/${name.toLowerCase()}/`));
    const cluster = resources
      .list(armBucket("Microsoft.ContainerService/managedClusters"))
      .find((candidate) => "name" in candidate && candidate.name === name);
    const profile =
      cluster !== undefined && "type" in cluster && cluster.type === "Microsoft.ContainerService/managedClusters"
        ? cluster.properties.networkProfile
        : undefined;
    return {
      name,
      networkPlugin: profile?.networkPlugin ?? "",
      networkPluginMode: profile?.networkPluginMode,
      nodes,
      pods,
      wanted: pools.reduce((sum, pool) => sum + pool.properties.count, 0),
    };
  });
  const balancers = resources.list(armBucket("Microsoft.Network/loadBalancers")) as unknown as readonly LoadBalancer[];
  return {
    lab,
    pid: info.pid,
    since: info.since,
    version: info.version,
    settled: daemon.atRest,
    clusters: clusters.map(({ name, networkPlugin, networkPluginMode, nodes, pods, wanted }) => ({
      name,
      networkPlugin,
      ...(networkPluginMode === undefined ? {} : { networkPluginMode }),
      nodes: { wanted, ready: nodes.filter(isNodeReady).length },
      pods: { total: pods.length, ready: pods.filter(isReady).length },
    })),
    nodes: clusters.flatMap(({ name: cluster, nodes }) =>
      nodes.map((node) => {
        const address = node.status.addresses.find((candidate) => candidate.type === "InternalIP")?.address;
        return { cluster, name: node.metadata.name, ready: isNodeReady(node), ...(address === undefined ? {} : { address }) };
      }),
    ),
    pods: clusters.flatMap(({ name: cluster, pods }) =>
      pods.map((pod) => ({
        cluster,
        namespace: pod.metadata.namespace ?? "default",
        name: pod.metadata.name,
        ready: isReady(pod),
        ...(pod.spec.nodeName === undefined ? {} : { node: pod.spec.nodeName }),
        ...(pod.status?.podIP === undefined ? {} : { address: pod.status.podIP }),
      })),
    ),
    waiting: clusters.flatMap(({ name: cluster }) =>
      (resources.list(kubeBucket(cluster, "Event")) as unknown as readonly Event[])
        .filter((event) => event.type === "Warning")
        .map((event) => ({
          cluster,
          kind: event.involvedObject.kind,
          name: event.involvedObject.name,
          reason: event.reason,
          message: event.message,
        })),
    ),
    probes: balancers.flatMap((balancer) =>
      balancer.properties.probes.map((candidate) => ({
        probe: `${balancer.name}/${candidate.name}`,
        healthy: daemon.healthyBackends(`${balancer.id}/probes/${candidate.name}`),
        backends: balancer.properties.backendAddressPools[0]?.properties.backendIPConfigurations.length ?? 0,
      })),
    ),
    snat: snatShares(topologyOf(resources), snatUse(daemon)),
    faults: faultsOf(resources).map(({ name, properties }) => ({
      name,
      kind: properties.kind,
      what: faultText(properties),
      ...(properties.until === undefined ? {} : { until: properties.until }),
    })),
    kernelErrors: [...daemon.errors.map((error) => error.message), ...daemon.listenProblems],
    ...(daemon.failure === undefined ? {} : { failure: daemon.failure }),
    memoryBytes: process.memoryUsage.rss(),
  };
}

function isNodeReady(node: Node): boolean {
  return node.status.conditions.every((condition) =>
    condition.type === "Ready" ? condition.status === "True" : condition.status !== "True",
  );
}

/** Distinct ports in use at each edge, by backend. A port may serve several destinations at once. */
function snatUse(daemon: Daemon): readonly SnatUse[] {
  const used = new Map<string, { readonly backend: Address; readonly publicAddress: Address; tcp: Set<number>; udp: Set<number> }>();
  for (const edge of (daemon.network?.names() ?? []).filter((name) => name.startsWith("edge/"))) {
    for (const { original, reply, status, tcpState, mark } of connections(edge)) {
      if (mark === reclaimedMark || !status.includes("snat") || reply.destinationPort === undefined || !holdsPort(tcpState)) continue;
      const key = `${original.source} ${reply.destination}`;
      const entry = used.get(key) ?? { backend: original.source, publicAddress: reply.destination, tcp: new Set(), udp: new Set() };
      const ports = reply.protocol === protocolNumbers.tcp ? entry.tcp : reply.protocol === protocolNumbers.udp ? entry.udp : undefined;
      ports?.add(reply.destinationPort);
      used.set(key, entry);
    }
  }
  return [...used.values()].map(({ tcp, udp, ...ends }) => ({ ...ends, tcp: tcp.size, udp: udp.size }));
}
