/** The saga of loan applications, and how `watersmeet run` feeds it from an event log in XES. */
import { type Case, program, type SagaMessage } from 'watersmeet';
import { loanApplication } from './saga.js';
import { isAgainst, openOffers } from './state.js';
import { readXes, type XesEvent } from './xes.js';

export { loanApplication } from './saga.js';
export type { Loan, Outcome } from './state.js';
export { readXes, type XesEvent, type XesFailure, type XesTrace } from './xes.js';

/** What a log's event says to the saga. Logs of other processes have no applications or offers: all is work. */
export const messageOf = (sagaId: string, index: number, { name, transition }: XesEvent): SagaMessage => {
  const id = `${sagaId}:${index}`;
  if (name.startsWith('A_')) return { id, sagaId, type: 'ApplicationReported', data: { activity: name } };
  if (name.startsWith('O_')) return { id, sagaId, type: 'OfferReported', data: { activity: name } };
  return { id, sagaId, type: 'WorkItemReported', data: { item: name, transition: transition ?? 'COMPLETE' } };
};

/** Every trace is a case, every event of it a message; the id is the case and the index. */
export async function* readCases(path: string): AsyncGenerator<Case> {
  for await (const { name, events } of readXes(path))
    yield {
      sagaId: name,
      messages: events.map((event, index) => ({
        message: messageOf(name, index, event),
        atMs: event.timestampMs,
      })),
    };
}

export const loanProgram = program({
  name: 'loan-application',
  saga: loanApplication,
  readCases,
  outcomes: ['approved', 'declined', 'cancelled', 'open'],
  outcomeOf: ({ outcome }) => outcome,
  decisionType: 'Decision',
  figures: ({ outcome, offers }) => ({
    openOffersAfterDecision: isAgainst(outcome) ? openOffers(offers) : 0,
  }),
});

export default loanProgram;
