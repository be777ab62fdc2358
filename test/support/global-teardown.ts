/** After all tests: stops what the setup started. */
export default async (): Promise<void> => {
  await (globalThis as { stopTestPostgres?: () => Promise<void> }).stopTestPostgres?.();
};
