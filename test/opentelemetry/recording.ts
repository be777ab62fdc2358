/** An SDK in memory for the tests of telemetry: what was told, as plain values. */
import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type Attributes,
  type Context,
  context,
  type ContextManager,
  ROOT_CONTEXT,
} from '@opentelemetry/api';
import { AggregationTemporality, MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';

/** Keeps the active context over promises, as an SDK for Node does. */
const contextManager = (): ContextManager => {
  const storage = new AsyncLocalStorage<Context>();
  const manager: ContextManager = {
    active: () => storage.getStore() ?? ROOT_CONTEXT,
    with: (active, run, thisArg, ...args) => storage.run(active, () => run.call(thisArg as never, ...args)),
    bind: (_active, target) => target,
    enable: () => manager,
    disable: () => manager,
  };
  return manager;
};

/** Registers it for the test file; answers the function that takes it away. */
export const keepContext = (): (() => void) => {
  context.setGlobalContextManager(contextManager());
  return () => context.disable();
};

class Reader extends MetricReader {
  constructor() {
    super({ aggregationTemporalitySelector: () => AggregationTemporality.CUMULATIVE });
  }
  protected override async onShutdown(): Promise<void> {}
  protected override async onForceFlush(): Promise<void> {}
}

export interface Point {
  readonly attributes: Attributes;
  /** A counter's sum, a gauge's value, or how often a histogram was told something. */
  readonly value: number;
}

export const recording = () => {
  const exporter = new InMemorySpanExporter();
  const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  const reader = new Reader();
  const meterProvider = new MeterProvider({ readers: [reader] });
  const collected = async () =>
    (await reader.collect()).resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics);
  return {
    options: { tracerProvider, meterProvider },
    spans: (): ReadonlyArray<ReadableSpan> => exporter.getFinishedSpans(),
    named: (name: string): ReadonlyArray<ReadableSpan> =>
      exporter.getFinishedSpans().filter((span) => span.name === name),
    forget: () => exporter.reset(),
    /** Name, unit and kind of each metric. */
    metrics: async () =>
      new Map((await collected()).map(({ descriptor: { name, unit } }) => [name, unit] as const)),
    points: async (name: string): Promise<ReadonlyArray<Point>> =>
      (await collected())
        .filter(({ descriptor }) => descriptor.name === name)
        .flatMap(({ dataPoints }) => dataPoints as ReadonlyArray<{ attributes: Attributes; value: unknown }>)
        .map(({ attributes, value }) => ({
          attributes,
          value: typeof value === 'number' ? value : (value as { readonly count: number }).count,
        })),
  };
};

/** A tracer of the program's own, to stand for what happens around the library. */
export const outer = ({ options }: ReturnType<typeof recording>) => options.tracerProvider.getTracer('test');
