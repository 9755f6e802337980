/** Names for `nft`: it knows no quoting for the names of tables, chains, sets and maps, and names may come from documents. */

import { hashDigits } from "../ir/names.ts";

/** Words that `nft` reads as keywords wherever they stand (src/scanner.l of nftables, 1.0.6 to 1.1.x), and two that it does after `@`. */
const keywords = new Set(
  (
    "eq ne le lt ge gt lshift rshift xor and or not vmap include define redefine undefine describe hook device devices table chain rule set " +
    "element map flowtable handle ruleset socket tproxy accept drop continue jump goto return to inet netdev add replace update create insert " +
    "delete get list reset flush rename import export monitor destroy position index comment constant interval dynamic auto-merge timeout " +
    "gc-interval elements expires policy size flow offload meter counter counters quotas last log queue limit limits quota hour day second " +
    "minute week reject with snat dnat masquerade redirect random fully-random persistent port th ll nh bridge ether saddr daddr type typeof " +
    "vlan arp ip ip6 ecn time icmp icmpv6 igmp priority ah esp comp flags udp udplite vxlan vni geneve gre gretap tcp dccp sctp rt rt0 rt2 srh " +
    "hbh frag dst mh meta mark iif iifname iiftype oif oifname oiftype skuid skgid nftrace rtclassid ibriport ibrname obriport obrname pkttype " +
    "cpu iifgroup oifgroup cgroup ct numgen jhash symhash dup fwd fib osf synproxy notrack all exists missing exthdr ipsec secmark xt egress " +
    "ingress tunnel performance memory owner persist"
  ).split(" "),
);

/** Kernel limit: NFT_NAME_MAXLEN (include/uapi/linux/netfilter/nf_tables.h) less the final zero. */
const longest = 255;

const plain = /^[A-Za-z][A-Za-z0-9_.-]*$/;
const marked = /\.[0-9a-f]{8}$/;

/**
 * The name that a table, chain, set or map has in the kernel. Different names stay different.
 *
 * A name of letters, digits, `_`, `-` and `.` stays as it is. A keyword gets a final underscore. Any other is cleaned and marked with a hash:
 * `shop/deny all` becomes `shop-deny-all.5f0c1a2b`.
 */
export function nftName(name: string): string {
  if (plain.test(name) && !marked.test(name) && name.length <= longest) {
    return keywords.has(name.replace(/_+$/, "")) ? `${name}_` : name;
  }
  const readable = name.replace(/[^A-Za-z0-9]+/g, "-").slice(0, longest - 10);
  return `${/^[A-Za-z]/.test(readable) ? readable : `x${readable}`}.${hashDigits(name, 8)}`;
}
