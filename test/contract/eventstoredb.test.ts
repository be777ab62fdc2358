/** The store on EventStoreDB's protocol keeps the store contract: over our own server on memory, or over a real one. */
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { eventStoreContract } from '../../src/testing/contract.js';
import { eventStoreDBSubject } from '../support/subjects.js';

eventStoreContract(eventStoreDBSubject, { describe, it, beforeAll, afterAll });
