/** What bounds the control plane. */
export const BOUNDS = `
To be written.
`;
