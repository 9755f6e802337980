/** What the API server knows of a kind: where it is served, how it is named, what is valid, and what is filled in. */

import type { Prefix } from "../../net/prefix.ts";
import type { Field } from "../field.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

/** What a rule may ask about the cluster. */
export type ClusterFacts = {
  readonly serviceCidr: Prefix | undefined;
  readonly dnsServiceIP: string;
  /** With dual stack: the range of the Services' IPv6 addresses. */
  readonly ipv6ServiceCidr: Prefix | undefined;
  /** The network policy engine: `none` enforces nothing. */
  readonly networkPolicy: string;
  readonly hasWindowsNodes: boolean;
};

export type Kind = {
  readonly kind: string;
  readonly apiVersion: string;
  /** Versions that went, and the Kubernetes version that no longer has them. */
  readonly removed?: Readonly<Record<string, string>>;
  readonly isNamespaced: boolean;
  readonly name: (text: string) => string | undefined;
  /** Fields besides apiVersion, kind, metadata and status. */
  readonly fields: readonly string[];
  /** Everything about the object but its metadata. */
  readonly check: (object: Field) => void;
  /** What depends on the cluster that it is put into. */
  readonly checkInCluster?: (object: Field, cluster: ClusterFacts) => void;
  /** The object with the API server's defaults, of one that {@link Kind.check} found nothing wrong with. */
  readonly complete?: (object: JsonObject) => JsonObject;
  /** Why an object of the kind has no effect on the network, if it has none; `isLeftOut`: it is not even among the resources. */
  readonly kept?: (object: JsonObject) => { readonly why: string; readonly isLeftOut: boolean } | undefined;
};
