/**
 * Pairs of a set that share an answer, so that one of them is asked for all: those of src/flows, whose parties are ends that are alike in everything that the
 * compiler reads (docs/decisions/0008-flow-classes.md). What a member's own address or node decides is not shared: who asks about that asks every pair.
 */

import { Parties } from "../flows/parties.ts";
import type { Sender, Target } from "../lab/ends.ts";
import type { LabView } from "../lab/view.ts";
import { prefixContains } from "../net/prefix.ts";

export class PairClasses {
  readonly #view: LabView;
  readonly #parties: Parties;

  constructor(view: LabView) {
    this.#view = view;
    const known = partiesOf.get(view) ?? new Parties(view);
    partiesOf.set(view, known);
    this.#parties = known;
  }

  /** Equal for pairs with one answer; `undefined` for a pair that is to be asked itself. */
  keyOf(sender: Sender, target: Target): string | undefined {
    const from = this.#view.endpointsBy.label.get(sender.label)?.[0];
    // A Service's endpoints, and addresses of nobody, are no ends.
    const to = this.#view.endpointsBy.host
      .get(target.host ?? "")
      ?.find(({ address, ipv6Address }) => address === target.address || ipv6Address === target.address);
    const [own, other] = [from && this.#parties.of(from), to && this.#parties.of(to)];
    if (from === undefined || to === undefined || own === undefined || other === undefined) return undefined;
    // An address that the sender's cluster gives to its own pods, too, may be one of those.
    const podCidr = from.cluster === to.cluster ? undefined : this.#view.topology.clusters.get(from.cluster ?? "")?.podCidr;
    if (podCidr !== undefined && prefixContains(podCidr, target.address)) return undefined;
    const { roles } = this.#parties;
    const node = roles.nodeOf(from.host);
    const together = node !== undefined && node === roles.nodeOf(to.host);
    const family = target.address === to.address ? 4 : 6;
    return `${own.index} ${other.index} ${target.protocol} ${target.port} ${together} ${family}`;
  }
}

const partiesOf = new WeakMap<LabView, Parties>();
