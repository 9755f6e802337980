/** The `drydock` command. */

import { processContext } from "./context.ts";
import { exitStatuses } from "./failure.ts";
import { run } from "./program.ts";

// `drydock show … | head` is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(exitStatuses.interrupted);
  throw error;
});

const interrupt = new AbortController();
const terminate = new AbortController();
const context = processContext(interrupt.signal, terminate.signal);

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    // The terminal has told the child as well.
    if (context.hasChild && signal === "SIGINT") return;
    // A second Ctrl-C does not wait for what the first one ends.
    if (!context.graceful || interrupt.signal.aborted) process.exit(exitStatuses.interrupted);
    interrupt.abort();
    if (signal !== "SIGINT") terminate.abort();
  });
}

void run(context, process.argv.slice(2)).then((status) => {
  process.exitCode = status;
});
