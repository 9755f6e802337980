import { Argument, type Command } from "commander";
import { type FaultKind, faultKinds, faultNamePattern, faultText } from "../../arm/faults.ts";
import { findFaultTarget, isFaultTarget, makeFault } from "../../lab/faults.ts";
import type { Style } from "../../render/style.ts";
import { renderTable } from "../../render/table.ts";
import { command, type LabOptions, labOption } from "../command.ts";
import { connect } from "../connect.ts";
import type { Context } from "../context.ts";
import { Failure } from "../failure.ts";
import type { Status } from "../live.ts";
import { type OutputOptions, outputOption, print } from "../output.ts";
import { Progress } from "../progress.ts";

export function faultCommand(context: Context): Command {
  const made = command("fault", "break something in a running lab, and mend it again", [
    { does: "stop a node", type: "drydock fault add stop node/000001" },
    { does: "what is broken", type: "drydock fault list" },
    { does: "mend everything", type: "drydock fault remove --all" },
  ]);
  return made.addCommand(addCommand(context)).addCommand(listCommand(context)).addCommand(removeCommand(context));
}

type AddOptions = OutputOptions & LabOptions & { readonly name?: string; readonly for?: number };

function addCommand(context: Context): Command {
  const made = command("add", "break something; status and trace then say what it does, with the fault as the reason", [
    { does: "a node that is gone", type: "drydock fault add stop node/000001" },
    { does: "a kubenet route that comes a minute late", type: "drydock fault add route aks-np1-07426076-vmss000001 --for 60s" },
    { does: "a health probe that nobody answers", type: "drydock fault add probe kubernetes/a30d4-TCP-80" },
    { does: "no source port left on a node", type: "drydock fault add snat node/000000 --name full" },
    { does: "pods' addresses that are never given back", type: "drydock fault add leak shop-azure" },
    { does: "a VPN that is down", type: "drydock fault add site site/hq" },
    { does: "replies that go past the firewall", type: "drydock fault add routes hub/shared" },
    { does: "a firewall that fails over without its flows", type: "drydock fault add forget vm/fw" },
    { does: "a peering that carries nothing", type: "drydock fault add peering hub/to-spoke" },
  ]);
  const kinds = Object.entries(faultKinds);
  return made
    .addArgument(new Argument("<kind>", "what sort of fault").choices(kinds.map(([kind]) => kind)))
    .argument("<fault-target>", "what it hits: its name, or a part of it that no other has")
    .option("--name <name>", "by which it is removed (default: kind and target)", parseName)
    .option("--for <duration>", "mend it by itself after so long: 30s, 5m, 1h", parseDuration)
    .addOption(labOption())
    .addOption(outputOption())
    .addHelpText("after", `\nKinds:\n${kinds.map(([kind, does]) => `  ${kind.padEnd(8)} ${does}\n`).join("")}`)
    .action(async (kind: FaultKind, text: string) => {
      const options = made.opts<AddOptions>();
      const live = await connect(context, options.lab);
      const view = await live.view();
      const target = findFaultTarget(view, kind, text);
      if (!isFaultTarget(target)) {
        throw new Failure("unknown", target.what, { details: target.near.map((name) => `did you mean: ${name}`), fix: target.fix });
      }
      const until = options.for === undefined ? {} : { until: new Date(Date.now() + options.for).toISOString() };
      const fault = makeFault(view, { ...target.properties, ...until }, options.name);
      if (view.topology.faults.some(({ name }) => name === fault.name)) {
        throw new Failure("usage", `there is a fault ${fault.name} already`, { fix: "give this one another --name" });
      }
      await following(context, (onProgress) => live.addFault(fault, onProgress));
      const data = { name: fault.name, what: faultText(fault.properties), ...fault.properties };
      print(context, options.output, data, (style) => {
        const mend = fault.properties.until === undefined ? "" : `, until ${fault.properties.until}`;
        return `${style.yellow(data.what)}${mend}; 'drydock fault remove ${fault.name}' mends it\n`;
      });
    });
}

function listCommand(context: Context): Command {
  const made = command("list", "say what is broken", [{ does: "all faults", type: "drydock fault list" }]);
  return made
    .addOption(labOption())
    .addOption(outputOption())
    .action(async () => {
      const options = made.opts<OutputOptions & LabOptions>();
      const { faults } = await (await connect(context, options.lab)).status();
      print(context, options.output, faults, (style) => (faults.length === 0 ? "nothing is broken\n" : faultTable(faults, style)));
    });
}

type RemoveOptions = LabOptions & { readonly all?: boolean };

function removeCommand(context: Context): Command {
  const made = command("remove", "mend what a fault broke", [
    { does: "one", type: "drydock fault remove stop-aks-np1-07426076-vmss000001" },
    { does: "all", type: "drydock fault remove --all" },
  ]);
  return made
    .argument("[fault...]", "names, as 'drydock fault list' says them")
    .option("--all", "all faults")
    .addOption(labOption())
    .action(async (names: readonly string[]) => {
      const options = made.opts<RemoveOptions>();
      if ((options.all === true) === names.length > 0) {
        throw new Failure("usage", names.length > 0 ? "names and --all together" : "which fault?", { fix: "name faults, or give --all" });
      }
      const live = await connect(context, options.lab);
      const known = (await live.status()).faults.map(({ name }) => name);
      const missing = names.filter((name) => !known.includes(name));
      if (missing.length > 0) {
        throw new Failure("unknown", `there is no fault ${missing.join(", ")}`, {
          fix: known.length === 0 ? "nothing is broken" : `the faults are ${known.join(", ")}`,
        });
      }
      const wanted = options.all === true ? known : names;
      if (wanted.length > 0) await following(context, (onProgress) => live.removeFaults(wanted, onProgress));
      context.stdout.write(wanted.length === 0 ? "nothing is broken\n" : `mended: ${wanted.join(", ")}\n`);
    });
}

export function faultTable(faults: Status["faults"], style: Style): string {
  return renderTable(
    ["FAULT", "WHAT IS BROKEN", "UNTIL"],
    faults.map(({ name, what, until }) => [name, style.yellow(what), until ?? ""]),
    style,
  );
}

async function following(context: Context, work: (onProgress: (text: string) => void) => Promise<void>): Promise<void> {
  const progress = new Progress(context);
  try {
    await work((text) => progress.update(text));
  } finally {
    progress.clear();
  }
}

function parseName(text: string): string {
  if (faultNamePattern.test(text)) return text;
  throw new Failure("usage", `${text} is no name for a fault`, { fix: "use lower-case letters, digits and '-', at most 40" });
}

const unitMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds. */
function parseDuration(text: string): number {
  const [, count = "", unit = ""] = /^(\d{1,6})([smh])$/.exec(text) ?? [];
  const ms = Number(count) * (unitMs[unit] ?? 0);
  if (ms > 0) return ms;
  throw new Failure("usage", `${text} is no duration`, { fix: "write it as 30s, 5m or 1h" });
}
