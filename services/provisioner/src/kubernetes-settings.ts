import { z } from 'zod';

const listed = z.string().default('').transform((text) => text.split(',').map((part) => part.trim()).filter(Boolean)); // prettier-ignore

/** What an operator decides about sandboxes on Kubernetes. */
export const kubernetesSettings = {
  SANDLOT_KUBECONFIG: z
    .string()
    .min(1)
    .optional()
    .describe('kubeconfig, whose current context is taken; default: the service account of the pod that it runs in'),
  SANDLOT_ROUTE_BY: z
    .enum(['service', 'pod-ip'])
    .optional()
    .describe(
      "how the proxy reaches sandboxes: service (names of the cluster's DNS), pod-ip; default: service in a cluster, pod-ip outside",
    ),
  SANDLOT_IMAGE_PULL_POLICY: z
    .enum(['Always', 'IfNotPresent', 'Never'])
    .default('IfNotPresent')
    .describe('when a node pulls the image of a sandbox'),
  SANDLOT_IMAGE_PULL_SECRETS: listed.describe("names of the Secrets in users' namespaces that images are pulled with, separated by commas"),
  SANDLOT_STORAGE_CLASS: z
    .string()
    .min(1)
    .optional()
    .describe("storage class of sandboxes' volumes that name none; default: the cluster's own"),
  SANDLOT_STOP_GRACE_SECONDS: z.coerce
    .number()
    .int()
    .min(0)
    .max(300)
    .default(5)
    .describe('time that a sandbox on Kubernetes has to end when it is paused or deleted, in seconds'),
};
