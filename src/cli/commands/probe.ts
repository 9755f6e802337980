import type { Command } from "commander";
import { observationText } from "../../lab/check.ts";
import { tupleText } from "../../render/trace.ts";
import { command, type LabOptions, labOption } from "../command.ts";
import { connect } from "../connect.ts";
import type { Context } from "../context.ts";
import { Failure } from "../failure.ts";
import { addJourney, findJourney, type JourneyOptions } from "../journey.ts";
import { type ProbeResult, probePacket } from "../live.ts";
import { type OutputOptions, outputOption, print } from "../output.ts";

type Options = OutputOptions & LabOptions & JourneyOptions & { readonly timeout: number; readonly count: number };

export function probeCommand(context: Context): Command {
  const made = command("probe", "send a real packet and say who answered and which source it saw", [
    { does: "does the database see the pod or the node?", type: "drydock probe deploy/web vm/db:5432 -n shop --cluster shop-kubenet" },
    { does: "the source address alone", type: "drydock probe deploy/web internet/partner -o json | jq -r .source.address" },
    {
      does: "which pods answer ten connections to a Service",
      type: "drydock probe internet/partner shop-azure:shop/svc/web-public:80 --count 10",
    },
  ]);
  return addJourney(made)
    .addOption(labOption())
    .option("--timeout <milliseconds>", "how long to wait for an answer", parseMilliseconds, 2000)
    .option("--count <packets>", "so many, one after another, each with a source port of its own", parseCount, 1)
    .addOption(outputOption())
    .addHelpText("after", "\nExit status 0: answered; 1: not.\n")
    .action(async (from: string, to: string) => {
      const options = made.opts<Options>();
      const live = await connect(context, options.lab);
      const view = await live.view();
      const { sender, target, packet } = findJourney(view, from, to, options);
      const answers: ProbeResult[] = [];
      for (let sent = 0; sent < options.count; sent++) {
        await live.probe([{ from: sender.host, packet: probePacket(packet), timeoutMs: options.timeout }], (_, answer) =>
          answers.push(answer),
        );
      }
      const shown = answers.map((answer) => ({ ...answer, from: sender.label, to: target.label }));
      print(context, options.output, options.count === 1 ? shown[0] : shown, (style) =>
        answers
          .map((answer) => {
            const owner = answer.source === undefined ? undefined : view.owners.get(answer.source.address)?.owner;
            const text = `${observationText(answer)}${owner === undefined ? "" : style.dim(` (${owner})`)}`;
            const time = answer.rttMs === undefined ? "" : style.dim(` in ${answer.rttMs.toFixed(2)} ms`);
            const sentAs = tupleText({ ...packet, source: packet.source ?? sender.address });
            return `${sentAs}: ${answer.reachable ? style.green(text) : style.red(text)}${time}\n`;
          })
          .join(""),
      );
      if (answers.some((answer) => !answer.reachable)) context.exitStatus = 1;
    });
}

function parseMilliseconds(text: string): number {
  if (!/^\d{1,6}$/.test(text) || Number(text) === 0)
    throw new Failure("usage", `${text} is no time`, { fix: "give milliseconds, from 1 to 999999" });
  return Number(text);
}

function parseCount(text: string): number {
  if (!/^\d{1,4}$/.test(text) || Number(text) === 0)
    throw new Failure("usage", `${text} is no count`, { fix: "give a whole number from 1 to 9999" });
  return Number(text);
}
