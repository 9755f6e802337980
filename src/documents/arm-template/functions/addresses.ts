/**
 * `parseCidr`, `cidrSubnet` and `cidrHost`, of IPv4 and IPv6.
 *
 * Azure docs: templates/template-functions-cidr.
 */

import { type Address, addressFrom, addressValue, bitsOf, familyOf } from "../../../net/address.ts";
import { addressOf, lastAddressOf, lengthOf, type Prefix, parseLoosePrefix } from "../../../net/prefix.ts";
import { ObjectValue } from "../value.ts";
import { type Arguments, type PureFunctions, pure } from "./arguments.ts";

export const addressFunctions: PureFunctions = {
  parseCidr: pure(1, (from) => {
    const prefix = prefixArgument(from);
    const [network, last] = [addressOf(prefix), lastAddressOf(prefix)];
    const family = familyOf(network);
    const hostBits = BigInt(bitsOf(family) - lengthOf(prefix));
    const netmask = addressFrom(family, ((1n << BigInt(bitsOf(family))) - 1n) ^ ((1n << hostBits) - 1n));
    const { firstUsable, lastUsable } = usable(prefix);
    const broadcast = family === 4 ? { broadcast: last } : {};
    return ObjectValue.of({ network, netmask, ...broadcast, firstUsable, lastUsable, cidr: lengthOf(prefix) });
  }),
  cidrSubnet: pure(3, (from) => {
    const prefix = prefixArgument(from);
    const [length, index] = [from.int(1), from.int(2)];
    const family = familyOf(addressOf(prefix));
    const bits = bitsOf(family);
    if (length < lengthOf(prefix) || length > bits) from.refuse(`a prefix of length ${length} does not fit into ${prefix}`);
    const count = 1n << BigInt(length - lengthOf(prefix));
    if (index < 0 || BigInt(index) >= count)
      from.refuse(`${prefix} has ${count} prefixes of length ${length}; there is none with index ${index}`);
    return `${addressFrom(family, addressValue(addressOf(prefix)) + (BigInt(index) << BigInt(bits - length)))}/${length}`;
  }),
  cidrHost: pure(2, (from) => {
    const prefix = prefixArgument(from);
    const index = from.int(1);
    const { firstUsable, lastUsable } = usable(prefix);
    const value = addressValue(firstUsable) + BigInt(index);
    if (index < 0 || value > addressValue(lastUsable)) from.refuse(`${prefix} has no usable address with index ${index}`);
    return addressFrom(familyOf(firstUsable), value);
  }),
};

function prefixArgument(from: Arguments): Prefix {
  return parseLoosePrefix(from.text(0)) ?? from.refuse(`${JSON.stringify(from.text(0).slice(0, 60))} is no range such as 10.0.0.0/16`);
}

/** All but IPv4's network and broadcast addresses, where there are more than those. */
function usable(prefix: Prefix): { readonly firstUsable: Address; readonly lastUsable: Address } {
  const [first, last] = [addressOf(prefix), lastAddressOf(prefix)];
  const family = familyOf(first);
  if (lengthOf(prefix) >= bitsOf(family) - 1) return { firstUsable: first, lastUsable: last };
  const end = family === 4 ? addressValue(last) - 1n : addressValue(last);
  return { firstUsable: addressFrom(family, addressValue(first) + 1n), lastUsable: addressFrom(family, end) };
}
