/** Words that reports share. */

import type { OptionName, Room } from "../model.ts";

/** What stands in a crowded cell. */
export const optionShortNames: Readonly<Record<OptionName, string>> = {
  kubenet: "kubenet",
  nodeSubnet: "node subnet",
  podSubnetDynamic: "pod subnet",
  podSubnetStatic: "pod subnet (blocks)",
  overlay: "Overlay",
};

/** "/28 (4)", or "/28 (4) to /25 (120)" when the largest upgrade needs another size. */
export function rangeText(room: Room | undefined): string {
  if (room === undefined) return "";
  const cell = (moment: "now" | "maxUpgrade") =>
    `${room.smallest[moment] === null ? "none" : `/${room.smallest[moment]}`} (${count(room.addresses[moment])})`;
  const [now, most] = [cell("now"), cell("maxUpgrade")];
  return now === most ? now : `${now} to ${most}`;
}

/** "12,345" */
export function count(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ",");
}
