/** A lab at one moment, however it came to be: its resources and the network that they compile to, with what is derived from them on demand. */

import { CompiledNetwork, compile } from "../compile/index.ts";
import { type Topology, topologyOf } from "../compile/topology.ts";
import type { Network } from "../ir/network.ts";
import type { Resources } from "../resources/resources.ts";
import { Tracer } from "../trace/index.ts";
import { type Endpoint, endpointsOf } from "./endpoints.ts";
import { type Owner, ownersOf } from "./owners.ts";

/** Everything is computed when first asked for, once. The resources must not change meanwhile. */
export class LabView {
  readonly name: string;
  readonly resources: Resources;
  readonly network: Network;
  #topology: Topology | undefined;
  #endpoints: readonly Endpoint[] | undefined;
  #endpointsBy: EndpointIndex | undefined;
  #owners: ReadonlyMap<string, Owner> | undefined;
  #tracer: Tracer | undefined;

  constructor(name: string, resources: Resources, network: Network = compile(resources)) {
    this.name = name;
    this.resources = resources;
    this.network = network;
  }

  get topology(): Topology {
    this.#topology ??= this.network instanceof CompiledNetwork ? this.network.topology : topologyOf(this.resources);
    return this.#topology;
  }

  /** What may send a packet or receive one, sorted by name. */
  get endpoints(): readonly Endpoint[] {
    this.#endpoints ??= endpointsOf(this.topology);
    return this.#endpoints;
  }

  /** The endpoints of an address of either family, of a host (pods of the node's network have the node's), of a name, and of a label. */
  get endpointsBy(): EndpointIndex {
    this.#endpointsBy ??= indexOf(this.endpoints);
    return this.#endpointsBy;
  }

  /** Who has an address. */
  get owners(): ReadonlyMap<string, Owner> {
    this.#owners ??= ownersOf(this);
    return this.#owners;
  }

  get tracer(): Tracer {
    this.#tracer ??= new Tracer(this.network);
    return this.#tracer;
  }
}

type EndpointIndex = Readonly<Record<"address" | "host" | "name" | "label", ReadonlyMap<string, readonly Endpoint[]>>>;

function indexOf(endpoints: readonly Endpoint[]): EndpointIndex {
  const index = {
    address: new Map<string, Endpoint[]>(),
    host: new Map<string, Endpoint[]>(),
    name: new Map<string, Endpoint[]>(),
    label: new Map<string, Endpoint[]>(),
  };
  const add = (map: Map<string, Endpoint[]>, key: string, endpoint: Endpoint) => {
    const known = map.get(key);
    if (known === undefined) map.set(key, [endpoint]);
    else known.push(endpoint);
  };
  for (const endpoint of endpoints) {
    add(index.address, endpoint.address, endpoint);
    if (endpoint.ipv6Address !== undefined) add(index.address, endpoint.ipv6Address, endpoint);
    add(index.host, endpoint.host, endpoint);
    add(index.name, endpoint.name, endpoint);
    add(index.label, endpoint.label, endpoint);
  }
  return index;
}
