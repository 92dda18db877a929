console.log(`${process.env.NODE_ENV}, port ${process.env.PORT}, ${BUILD}`);
