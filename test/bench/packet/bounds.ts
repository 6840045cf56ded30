/** What bounds a packet's cost. */
export const BOUNDS = `
To be written.
`;
