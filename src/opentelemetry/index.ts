/** `watersmeet/opentelemetry`: spans and metrics through `@opentelemetry/api`, for whichever SDK is registered. */
export { observedCommands } from './command.js';
export { type DepthOptions, type LagOptions, observeDepths, observeLag } from './gauges.js';
export { observedHandler, type ToldMessage } from './handler.js';
export { telemetryHooks } from './hooks.js';
export { observedQueue } from './queue.js';
export { observedSaga } from './saga.js';
export { saveTelemetry } from './saves.js';
export { observed } from './store.js';
export type { TelemetryOptions } from './telemetry.js';
