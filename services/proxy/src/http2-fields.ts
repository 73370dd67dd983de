/** What a field may be made of, whoever sent it: nothing that HTTP/1.1 would read differently. */
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

export const isFieldName = (name: string): boolean => NAME.test(name);
export const isFieldValue = (value: string): boolean => VALUE.test(value);
