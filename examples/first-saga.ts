/** One saga: a trip is confirmed when flight and hotel are booked, also where both answers come at once. */
import * as t from 'io-ts';
import { flag, memoryStore, record, saga, sagaRuntime, toPromise } from 'watersmeet';

const booked = t.type({ reference: t.string });
const confirm = { send: [{ type: 'TripConfirmed', data: {}, key: 'confirmed' }], complete: true } as const;

const trip = saga({
  name: 'trip',
  messages: { FlightBooked: booked, HotelBooked: booked },
  sends: { TripConfirmed: t.type({}) },
  events: { FlightNoted: booked, HotelNoted: booked },
  state: t.type({ flight: t.boolean, hotel: t.boolean }),
  initialState: { flight: false, hotel: false },
  evolve: {
    FlightNoted: (state) => ({ ...state, flight: true }),
    HotelNoted: (state) => ({ ...state, hotel: true }),
  },
  react: {
    FlightBooked: (state, data) => ({
      events: [{ type: 'FlightNoted', data }],
      ...(state.hotel && confirm),
    }),
    HotelBooked: (state, data) => ({
      events: [{ type: 'HotelNoted', data }],
      ...(state.flight && confirm),
    }),
  },
  onConflict: 'merge',
  merge: { threeWay: record({ flight: flag, hotel: flag }) },
  // Neither handler saw both bookings; the merge does, so the question is asked again here.
  onMerged: ({ state }) => (state.flight && state.hotel ? confirm : {}),
});

const runtime = sagaRuntime(trip, { store: memoryStore() });
const flight = { type: 'FlightBooked', data: { reference: 'F1' } } as const;
const hotel = { type: 'HotelBooked', data: { reference: 'H1' } } as const;

// One after the other: the second handler sees the first one's booking, and confirms.
await toPromise(runtime.handle({ id: 'a', sagaId: 'paris', ...flight }));
await toPromise(runtime.handle({ id: 'b', sagaId: 'paris', ...hotel }));

// Both at once: each handler sees an empty trip, and neither confirms.
await Promise.all([
  toPromise(runtime.handle({ id: 'c', sagaId: 'rome', ...flight })),
  toPromise(runtime.handle({ id: 'd', sagaId: 'rome', ...hotel })),
]);

for (const sagaId of ['paris', 'rome']) {
  const { state, completed } = await toPromise(runtime.load(sagaId));
  const { messages } = await toPromise(runtime.owed(sagaId));
  console.log(sagaId, state, completed, messages.map(({ type }) => type).join());
}
// => paris { flight: true, hotel: true } true TripConfirmed
// => rome { flight: true, hotel: true } true TripConfirmed
