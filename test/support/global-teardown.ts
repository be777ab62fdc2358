/** After all tests: stops the PostgreSQL that the setup started. */
export default async (): Promise<void> => {
  await (globalThis as { stopTestPostgres?: () => Promise<void> }).stopTestPostgres?.();
};
