/**
 * Who may reach a Service of type LoadBalancer, as it says itself: ranges and service tags, for the security group of its nodes.
 * cloud-provider-azure: pkg/provider/loadbalancer/configuration.go and accesscontrol.go.
 */

import { mergePrefixes, type Prefix, parseLoosePrefix } from "../net/prefix.ts";
import type { Service } from "./objects.ts";

const prefix = "service.beta.kubernetes.io/";
const allowedTags = `${prefix}azure-allowed-service-tags`;
/** The second is Kubernetes' own older form. */
const allowedRanges = [`${prefix}azure-allowed-ip-ranges`, `${prefix}load-balancer-source-ranges`];

export type LoadBalancerAccess = {
  readonly isInternal: boolean;
  /** Senders that are let in beside {@link fromInternet}; one within another is left out. */
  readonly ranges: readonly Prefix[];
  readonly serviceTags: readonly string[];
  /** Ranges that are none: nobody is let in on their account, and everybody else is kept out. */
  readonly invalidRanges: readonly string[];
  readonly fromInternet: boolean;
  /** Who is not let in is denied, those inside the virtual network among them. */
  readonly denyAllOthers: boolean;
  /** The Service contradicts itself: its load balancer is not made. */
  readonly problem?: string;
};

export function loadBalancerAccess({ metadata, spec }: Service): LoadBalancerAccess {
  const annotations = metadata.annotations ?? {};
  const isInternal = annotations[`${prefix}azure-load-balancer-internal`]?.toLowerCase() === "true";
  const sourceTexts = (spec.loadBalancerSourceRanges ?? []).map((text) => text.trim());
  const allowedTexts = allowedRanges.flatMap((key) => words(annotations[key]));
  const [source, allowed] = [sourceTexts.flatMap(rangeOf), allowedTexts.flatMap(rangeOf)];
  const serviceTags = words(annotations[allowedTags]);
  const invalidRanges = [...sourceTexts, ...allowedTexts].filter((text) => parseLoosePrefix(text) === undefined);
  const isLimited = [source, allowed].some((ranges) => ranges.length > 0 && !ranges.some((range) => range.endsWith("/0")));
  const isAsked = source.length > 0 || allowed.length > 0;
  return {
    isInternal,
    ranges: mergePrefixes([...source, ...allowed]),
    serviceTags,
    invalidRanges,
    fromInternet: serviceTags.length === 0 && !isLimited && invalidRanges.length === 0 && (!isInternal || isAsked),
    denyAllOthers:
      invalidRanges.length > 0 ||
      (isAsked && annotations[`${prefix}azure-deny-all-except-load-balancer-source-ranges`]?.toLowerCase() === "true"),
    ...(source.length > 0 && allowed.length > 0
      ? { problem: `cannot set both spec.LoadBalancerSourceRanges and service annotation ${allowedRanges[0]}` }
      : {}),
  };
}

function words(text: string | undefined): readonly string[] {
  return text === undefined
    ? []
    : text
        .trim()
        .split(",")
        .map((word) => word.trim());
}

function rangeOf(text: string): readonly Prefix[] {
  const range = parseLoosePrefix(text);
  return range === undefined ? [] : [range];
}
