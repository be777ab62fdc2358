/** What keeps messages together under the strategies that pin: the stream they come from, or the conversation they are part of. */
import type { ServedEvent } from '../feed.js';
import { dataTextOf } from '../stored-form.js';
import { sourceStreamOf } from './places.js';
import type { StrategyName } from './settings.js';

/** For links the stream that they point into, also where that is gone. */
export const pinOf = (strategy: StrategyName, { event, link }: ServedEvent): string => {
  const correlationId = (event ?? link)?.metadata.correlationId;
  if (strategy === 'PinnedByCorrelation' && correlationId !== undefined) return correlationId;
  return sourceStreamOf(event, link && dataTextOf(link));
};
