/** The tracer: interprets a network for one packet, there and back, as Linux does. See {@link Tracer}. */

export type { KnownConnection } from "./connections.ts";
export { type Disposition, dispositions, type Hop, type News, type Path, type PortRange, type Step, type Tuple } from "./result.ts";
export { defaultSourcePort, type TraceOptions, type TracePacket, Tracer } from "./tracer.ts";
