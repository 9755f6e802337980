/** Services that a subnet may have an endpoint for. */
export const endpointServices = {
  names: [
    "Microsoft.AzureCosmosDB",
    "Microsoft.CognitiveServices",
    "Microsoft.ContainerRegistry",
    "Microsoft.EventHub",
    "Microsoft.KeyVault",
    "Microsoft.ServiceBus",
    "Microsoft.Sql",
    "Microsoft.Storage",
    "Microsoft.Web",
  ],
  source: "learn:azure/virtual-network/virtual-network-service-endpoints-overview",
} as const;
